"""Regions keep their numbers, remember the latest embeddings, and tell the adversary where a sample lies."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from svc.types import FloatArray
from tests.training.fairness.batches import WIDTH, clusters
from training.fairness.regions import RegionConfig, Regions, k_means, matched


def regions_of(embeddings: Tensor, config: RegionConfig | None = None) -> Regions:
    regions = Regions(WIDTH, config or RegionConfig(count=4, remembered=64))
    regions.remember(F.normalize(embeddings, dim=1))
    regions.refresh()
    return regions


def unit_rows(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_every_cluster_is_a_region_of_its_own() -> None:
    given_ = F.normalize(clusters(hard=(0, 1, 2, 3)).flatten(0, 1), dim=1)
    labels = regions_of(given_).feature(given_).argmax(1).view(4, -1)
    assert (labels == labels[:, :1]).all()
    assert len(set(labels[:, 0].tolist())) == 4


@pytest.mark.parametrize("seed", range(3))
def test_labels_stay_over_a_refresh_in_another_order(seed: int) -> None:
    given_ = F.normalize(clusters(hard=(0, 1, 2, 3)).flatten(0, 1), dim=1)
    regions = regions_of(given_)
    before = regions.feature(given_)
    order = torch.randperm(len(given_), generator=torch.Generator().manual_seed(seed))
    regions.seed = seed + 10
    regions.remember(F.normalize(given_[order] + 0.02, dim=1))
    regions.refresh()
    torch.testing.assert_close(regions.feature(given_), before)


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(0, 999))
def test_matching_is_the_best_of_all_orders(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    new, old = (random.standard_normal((count, 3)).astype(np.float32) for _ in range(2))
    best = max(float((old * new[list(order)]).sum()) for order in permutations(range(count)))
    assert float((old * matched(new, old)).sum()) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_regions_that_follow_fit_nearly_as_well_as_new_ones(seed: int) -> None:
    random = np.random.default_rng(seed)
    kinds, drift = random.standard_normal((2, 16, WIDTH)).astype(np.float32)
    apart = 0.4 * random.standard_normal((800, WIDTH)).astype(np.float32)
    before, after = (unit_rows(moved[np.arange(800) % 16] + apart) for moved in (kinds, kinds + 0.3 * drift))
    start = k_means(before, 8, seed=seed)
    found = start, k_means(after, 8, seed=seed, start=start), k_means(after, 8, seed=seed)
    stayed, followed, anew = (float((after @ regions.T).max(1).mean()) for regions in found)
    assert stayed < followed > anew - 0.03


def test_distances_are_those_to_the_centroids() -> None:
    given_ = F.normalize(clusters(hard=()).flatten(0, 1), dim=1)
    regions = regions_of(given_, RegionConfig(feature="distances", count=3, remembered=64))
    expected = torch.stack([(given_ - centroid).norm(dim=1) for centroid in regions.centroids], dim=1)
    torch.testing.assert_close(regions.feature(given_), expected, rtol=1e-3, atol=1e-3)


def test_the_same_embeddings_give_the_same_regions() -> None:
    points = F.normalize(torch.randn(100, 8, generator=torch.Generator().manual_seed(0)), dim=1).numpy()
    np.testing.assert_array_equal(k_means(points, 5, seed=1), k_means(points, 5, seed=1))


def test_only_the_latest_embeddings_are_remembered() -> None:
    regions = Regions(WIDTH, RegionConfig(count=2, remembered=6))
    batches = F.normalize(torch.randn(3, 4, WIDTH, generator=torch.Generator().manual_seed(0)), dim=-1)
    for batch in batches:
        regions.remember(batch)
    latest = batches.flatten(0, 1)[-6:]
    assert {tuple(row) for row in regions.memory.tolist()} == {tuple(row) for row in latest.tolist()}


def test_too_few_embeddings_leave_regions_as_they_are() -> None:
    regions = regions_of(torch.randn(3, WIDTH), RegionConfig(count=4, remembered=64))
    assert not regions.centroids.any()
    assert not regions.feature(torch.randn(2, WIDTH)).any()


def test_without_a_feature_nothing_is_kept() -> None:
    regions = regions_of(torch.randn(9, WIDTH), RegionConfig(feature="none"))
    assert regions.memory.numel() == 0
    assert regions.feature(torch.randn(2, WIDTH)).shape == (2, 0)
