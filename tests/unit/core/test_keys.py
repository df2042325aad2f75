from ldae.core.keys import participant_id, shard_of


def test_both_names_of_a_subject_fall_into_one_shard():
    assert participant_id("002_S_0295") == "sub-ADNI002S0295"
    assert all(shard_of(f"{n:03d}_S_{n:04d}", 7) == shard_of(f"sub-ADNI{n:03d}S{n:04d}", 7) for n in range(200))


def test_shards_are_even_and_fixed():
    counts = [0] * 10
    for n in range(5000):
        counts[shard_of(f"sub-ADNI{n // 10:03d}S{n:04d}", 10)] += 1
    assert min(counts) > 400 and max(counts) < 600
    assert [shard_of(f"sub-ADNI002S{n:04d}", 50) for n in (295, 413, 559)] == [30, 46, 6]
    assert shard_of("sub-ADNI002S0295", 1) == 0
