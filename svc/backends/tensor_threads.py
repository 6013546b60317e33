"""On how many cores a thread has its tensors multiplied.

torch spreads every product over all cores, and its helpers wait for the next one awake. A live stream's steps are so
small that this costs more than it saves, and takes the cores that voices and other calls need.
"""

import threading

import torch


def multiply_on(num_threads: int) -> None:
    """What the calling thread multiplies from now on; all other threads, also later ones, keep what they have."""
    others = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    # A new thread takes the number that was set last, by anybody.
    restorer = threading.Thread(target=torch.set_num_threads, args=(others,))
    restorer.start()
    restorer.join()
