"""The process around a server, from its first log line to its exit code: drains on SIGTERM, sweeps expired profiles."""

import asyncio
import gc
import os
import signal
import threading
import time

from equivox.channel import is_local
from svc.application import Application
from svc.config import EquivoxConfig
from svc.errors import ServiceError
from svc.rpc.server import WARM_UP, Server
from svc.rpc.telemetry import Metrics, configure_logging, log


async def sweep(application: Application) -> None:
    """Erases expired profiles now and then, for ever."""
    while True:
        await asyncio.sleep(application.config.profiles.sweep_interval_s)
        try:
            num_erased = await asyncio.to_thread(application.profiles.sweep, time.time())
        except ServiceError as error:
            # A full disk now may have room at the next round.
            log.error("sweep failed", reason=error.reason, message=error.message)
        else:
            if num_erased:
                log.info("swept", num_profiles=num_erased)


def stop_signal() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped


async def serve(config: EquivoxConfig) -> None:
    """Runs until SIGTERM or SIGINT, then drains. Raises ServiceError, OSError or ValueError when it cannot start."""
    configure_logging()
    stopped = stop_signal()
    metrics = Metrics()
    application = Application(config, on_batch=metrics.on_batch, on_step=metrics.streams.on_step)
    try:
        warn_about(config)
        server = Server(application, metrics)
        await server.start()
        metrics_port = metrics.expose(config.server.metrics_address) if config.server.metrics_address else None
        log.info("listening", address=config.server.address, port=server.port, metrics_port=metrics_port)
        await run_until(stopped, server)
    finally:
        metrics.close()
        await asyncio.to_thread(application.close)


async def run_until(stopped: asyncio.Event, server: Server) -> None:
    """Warms up, serves, drains. A signal during the warm-up does not wait for it: its thread is left behind."""
    warming = asyncio.create_task(server.warm_up(leave_uncollected))
    stopping = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait([warming, stopping], return_when=asyncio.FIRST_COMPLETED)
        if warming.done():
            warming.result()
            sweeping = asyncio.create_task(sweep(server.application))
            await stopping
            sweeping.cancel()
    finally:
        warming.cancel()
        stopping.cancel()
        await server.drain()


def leave_uncollected() -> None:
    """Takes all there is now out of the garbage collector's sight: of models and libraries nothing goes before the end,
    and to look through their half a million objects stops every thread for 0.2 s.
    """
    gc.collect()
    gc.freeze()


def warn_about(config: EquivoxConfig) -> None:
    """Says what a production server would not be run with."""
    if config.profiles.key_file is None:
        log.warning("voiceprints are not encrypted at rest", remedy="set profiles.key_file; equivox profiles new-key")
    local = is_local(config.server.address)
    if not local and config.server.tokens_file is None and config.server.tls_client_authority is None:
        log.warning("anybody who reaches the port may call", remedy="set server.tokens_file or tls_client_authority")
    if not local and config.server.tls_certificate is None:
        log.warning("audio and tokens cross the network in the clear", remedy="set server.tls_certificate and tls_key")


def run(config: EquivoxConfig) -> int:
    """`serve` as a process: exit code 0 after a drain, 1 with one logged line when it could not start. Ends the process
    itself where a signal cut the warm-up short.
    """
    try:
        asyncio.run(serve(config))
    except (ServiceError, OSError, ValueError) as error:
        log.error("cannot serve", error=type(error).__name__, message=str(error))
        return 1
    if any(thread.name == WARM_UP for thread in threading.enumerate()):
        # An interpreter at its end waits for the pools of libraries that still load, and can crash their threads.
        os._exit(0)
    return 0
