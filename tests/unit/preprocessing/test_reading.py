import gzip

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.io import savemat

from ldae.core.errors import QuarantinedScan, UserError
from ldae.preprocessing.background import as_zero
from ldae.preprocessing.orientation import require_no_orientation
from ldae.preprocessing.reading import finite, read_given, read_scan, sha256_of_scan

SHAPE, AFFINE = (40, 44, 48), np.diag([4.0, 4, 4, 1])
GOOD = np.random.default_rng(0).integers(1, 1000, SHAPE).astype(np.int16)


def with_affine(**entries: float) -> np.ndarray:
    affine = AFFINE.copy()
    for name, value in entries.items():
        affine["xyz".index(name[0]), "xyz".index(name[1])] = value
    return affine


def colour() -> np.ndarray:
    return np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])


def sparse_nan() -> np.ndarray:
    data = GOOD.astype(np.float32)
    data[0] = np.nan
    return data


def save(path, data: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    nib.save(nib.Nifti1Image(data, affine), path)


BROKEN_IMAGES = {
    "four volumes": (np.stack([GOOD] * 4, axis=-1), AFFINE, "not three-dimensional"),
    "one slice": (GOOD[:, :, :1], AFFINE, "not three-dimensional"),
    "colour": (colour(), AFFINE, "not a scalar image"),
    "complex": (GOOD.astype(np.complex64), AFFINE, "not a scalar image"),
    "not a number": (sparse_nan(), AFFINE, "not finite"),
    "all zero": (np.zeros(SHAPE, np.int16), AFFINE, "constant image: every voxel is 0"),
    "constant": (np.full(SHAPE, 7, np.int16), AFFINE, "constant image: every voxel is 7"),
    "few slices": (GOOD[:, :, :8], AFFINE, "too few slices"),
    "sheared": (GOOD, with_affine(xy=2.0), "sheared"),
    "flat": (GOOD, with_affine(zz=0.0), "cannot be inverted"),
    "coarse": (GOOD, with_affine(zz=9.0), "voxel size"),
    "thick slices": (GOOD, np.diag([4.0, 4, 6, 1]), "voxel size"),
    "one hot voxel": (np.where(np.arange(GOOD.size).reshape(SHAPE) == 7, 1e9, GOOD), AFFINE, "extreme intensities"),
    "almost empty": ((np.arange(GOOD.size).reshape(SHAPE) < 99).astype(np.uint8), AFFINE, "99 % of the voxels"),
    "labels": (GOOD % 4, AFFINE, "only 4 different values: a mask"),
    "narrow": (GOOD, np.diag([1.0, 1, 1, 1]), "field of view .* whether the image holds a whole head"),
    "wide": (np.tile(GOOD, (4, 1, 1)), AFFINE, "field of view .* crop the image to the head"),
    "fine": (GOOD, np.diag([0.2, 4, 4, 1]), "voxel size .* resample the scan to 1 mm"),
}


@pytest.mark.parametrize("name", BROKEN_IMAGES)
def test_a_broken_image_has_its_own_reason(name, tmp_path):
    data, affine, reason = BROKEN_IMAGES[name]
    image = nib.Nifti1Image(data, None)
    image.header.set_sform(affine, code=1)
    nib.save(nib.Nifti1Image(data, affine, image.header), tmp_path / "scan.nii.gz")
    with pytest.raises(QuarantinedScan, match=reason):
        read_given(tmp_path / "scan.nii.gz")


@pytest.mark.parametrize("bits", [8, 16])
def test_unsigned_values_that_were_read_as_signed_are_named(bits, tmp_path):
    """A smooth head whose bright half lies above what the signed type holds: it begins anew far below zero."""
    unsigned, signed = f"uint{bits}", f"int{bits}"
    bright = (
        0.92
        * 2**bits
        * np.exp(-sum(((place - size / 2) / 15) ** 2 for place, size in zip(np.indices(SHAPE), SHAPE, strict=True)))
    )
    save(tmp_path / "unsigned.nii.gz", bright.astype(unsigned))
    read_given(tmp_path / "unsigned.nii.gz")
    save(tmp_path / "signed.nii.gz", bright.astype(unsigned).view(signed))
    with pytest.raises(QuarantinedScan, match=f"{bits} bits: unsigned values were read as signed ones"):
        read_given(tmp_path / "signed.nii.gz")


@pytest.mark.parametrize(("unit", "factor", "word"), [("meter", 1e-3, "metres"), ("micron", 1e3, "micrometres")])
def test_lengths_that_are_not_in_mm_are_named(unit, factor, word, tmp_path):
    save(tmp_path / "unsaid.nii.gz", GOOD, AFFINE * [[factor], [factor], [factor], [1]])
    with pytest.raises(QuarantinedScan, match=rf"seems to give it in {word}; write it in mm"):
        read_given(tmp_path / "unsaid.nii.gz")

    def written(name: str, scale: float) -> None:
        image = nib.Nifti1Image(GOOD, AFFINE * [[scale], [scale], [scale], [1]])
        image.header.set_xyzt_units(unit)
        nib.save(image, tmp_path / name)

    written("true.nii.gz", factor)
    with pytest.raises(QuarantinedScan, match=rf"lengths in {unit}s .*write it in mm"):
        read_given(tmp_path / "true.nii.gz")
    written("in_fact_mm.nii.gz", 1)
    assert read_given(tmp_path / "in_fact_mm.nii.gz")[0].shape == SHAPE


def test_what_is_no_file_of_a_scan_says_what_to_do(tmp_path):
    save(tmp_path / "a.nii.gz", GOOD)
    (tmp_path / "b.nii").write_bytes((tmp_path / "a.nii.gz").read_bytes())
    (tmp_path / "c.nii.gz").write_bytes(gzip.decompress((tmp_path / "a.nii.gz").read_bytes()))
    (tmp_path / "d.nrrd").write_bytes(b"NRRD0004")
    (tmp_path / "e.nii.gz").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    (tmp_path / "f.nii.gz").touch()
    (tmp_path / "g.nii.gz").write_bytes(b"<!DOCTYPE html>")
    (tmp_path / "h.nii.gz").write_bytes((tmp_path / "a.nii.gz").read_bytes()[:-99])
    for name, words in (
        ("b.nii", "is packed by gzip: name it b.nii.gz"),
        ("c.nii.gz", "is not packed by gzip: name it c.nii"),
        ("d.nrrd", "convert others .* to NIfTI first"),
        ("e.nii.gz", "`git lfs pull`"),
        ("f.nii.gz", "the file is empty: copy or download it again"),
        ("g.nii.gz", "is a web page"),
        ("h.nii.gz", "EOFError: .*: copy or download it again"),
    ):
        with pytest.raises(QuarantinedScan, match=f"unreadable: .*{words}"):
            read_given(tmp_path / name)


def cut_in_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_bits(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(255 - byte for byte in content[middle : middle + 64]) + content[middle + 64 :]


def unknown_datatype(content: bytes) -> bytes:
    raw = bytearray(gzip.decompress(content))
    raw[70:72] = (9999).to_bytes(2, "little")
    return gzip.compress(bytes(raw))


DAMAGE = {
    "cut": cut_in_half,
    "two kilobytes short": lambda content: content[:-2048],
    "bits flipped": flip_bits,
    "unknown datatype": unknown_datatype,
    "empty": lambda content: b"",
    "text": lambda content: b"<html>not found</html>",
    "cut after the header": lambda content: gzip.compress(gzip.decompress(content)[:5000]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_unreadable(name, tmp_path):
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(GOOD, AFFINE), path)
    path.write_bytes(DAMAGE[name](path.read_bytes()))
    with pytest.raises(QuarantinedScan, match="unreadable"):
        read_scan(path)


def test_a_header_without_orientation_is_refused(tmp_path):
    image = nib.Nifti1Image(GOOD, None)
    image.header.set_zooms((4, 4, 4))
    nib.save(image, tmp_path / "scan.nii")
    with pytest.raises(QuarantinedScan, match="orientation"):
        read_scan(tmp_path / "scan.nii")


def test_a_header_that_contradicts_itself_is_refused(tmp_path):
    image = nib.Nifti1Image(GOOD, AFFINE)
    image.set_qform(AFFINE, code=1)
    image.set_sform(np.diag([-4.0, 4, 4, 1]), code=1)
    nib.save(image, tmp_path / "scan.nii")
    with pytest.raises(QuarantinedScan, match="left and right"):
        read_scan(tmp_path / "scan.nii")


def header_with(qform: np.ndarray, sform: np.ndarray, code: int = 1) -> nib.Nifti1Image:
    image = nib.Nifti1Image(GOOD, qform)
    image.set_qform(qform, code=1)
    image.set_sform(sform, code=code)
    return image


def turned(degrees: float, size: float = 4.0) -> np.ndarray:
    """AFFINE turned about the first axis."""
    affine = np.diag([size, size, size, 1])
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    affine[1:3, 1:3] = size * np.array([[cosine, -sine], [sine, cosine]])
    return affine


@pytest.mark.parametrize(
    ("sform", "reason"),
    [
        (np.diag([-4.0, -4, 4, 1]), "by a turn of 180 degrees: qform RAS 4 x 4 x 4 mm, sform LPS 4 x 4 x 4 mm"),
        (turned(50), "by a turn of 50 degrees"),
        (turned(0, 4.5), "size of the voxels: qform RAS 4 x 4 x 4 mm, sform RAS 4.5 x 4.5 x 4.5 mm"),
        (np.diag([-4.0, 4, 4, 1]), "left and right: qform RAS 4 x 4 x 4 mm, sform LAS 4 x 4 x 4 mm"),
    ],
)
def test_two_orientations_that_disagree_are_named_with_both(sform, reason, tmp_path):
    nib.save(header_with(AFFINE, sform), tmp_path / "scan.nii")
    with pytest.raises(QuarantinedScan, match=reason):
        read_scan(tmp_path / "scan.nii")


def test_an_sform_that_is_no_number_is_named(tmp_path):
    path = tmp_path / "scan.nii"
    nib.save(header_with(AFFINE, AFFINE), path)
    content = bytearray(path.read_bytes())
    content[280:284] = np.float32(np.nan).tobytes()  # srow_x[0]
    path.write_bytes(content)
    with pytest.raises(QuarantinedScan, match="cannot be inverted"):
        read_scan(path)


@pytest.mark.parametrize(("sform", "code"), [(turned(12), 2), (turned(40, 4.4), 4), (turned(0, 4.1), 1)])
def test_an_sform_aligned_to_something_else_is_no_contradiction(sform, code, tmp_path):
    nib.save(header_with(AFFINE, sform, code), tmp_path / "scan.nii")
    assert np.allclose(read_scan(tmp_path / "scan.nii").affine, sform)


def analyze(folder, kind=nib.AnalyzeImage):
    image = kind(GOOD, None)
    image.header.set_zooms((4, 4, 4))
    nib.save(image, folder / "scan.img")
    return folder / "scan.img"


def silent_nifti(folder):
    image = nib.Nifti1Image(GOOD, None)
    image.header.set_zooms((4, 4, 4))
    nib.save(image, folder / "scan.nii")
    return folder / "scan.nii"


def silent_mgh(folder):
    """Without the flag its voxels count as 1 mm: these are a head's size all the same."""
    nib.save(nib.MGHImage(GOOD.repeat(3, 0).repeat(3, 1).repeat(3, 2), AFFINE), folder / "scan.mgh")
    raw = bytearray((folder / "scan.mgh").read_bytes())
    raw[28:30] = bytes(2)  # goodRASFlag
    (folder / "scan.mgh").write_bytes(bytes(raw))
    return folder / "scan.mgh"


SILENT = {
    "Analyze": analyze,
    "SPM99": lambda folder: analyze(folder, nib.Spm99AnalyzeImage),
    "SPM2": lambda folder: analyze(folder, nib.Spm2AnalyzeImage),
    "NIfTI": silent_nifti,
    "MGH": silent_mgh,
}


@pytest.mark.parametrize("name", SILENT)
def test_a_file_without_orientation_is_read_as_the_user_states_it(name, tmp_path):
    path = SILENT[name](tmp_path)
    for matrix in tmp_path.glob("*.mat"):  # nibabel writes one; SPM's older ones know no flip
        savemat(matrix, {"M": AFFINE})
    with pytest.raises(QuarantinedScan, match=r"no orientation .*state --orientation"):
        read_scan(path)
    image, _ = read_given(path, orientation="LPS")
    assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
    sizes = image.header.get_zooms()
    assert np.allclose(nib.affines.apply_affine(image.affine, (np.array(image.shape) - 1) / 2), 0)
    step = 3 if name == "MGH" else 1
    assert np.array_equal(image.get_fdata()[::step, ::step, ::step], GOOD) and min(sizes) == max(sizes)
    require_no_orientation(path)


def test_an_analyze_pair_with_the_matrix_of_spm_has_an_orientation(tmp_path):
    image = nib.Spm99AnalyzeImage(GOOD, np.diag([-4.0, 4, 4, 1]))
    nib.save(image, tmp_path / "scan.img")
    assert nib.aff2axcodes(read_scan(tmp_path / "scan.hdr").affine) == ("L", "A", "S")
    with pytest.raises(UserError, match=r"has an orientation of its own .LAS.: leave --orientation out"):
        require_no_orientation(tmp_path / "scan.hdr")


def test_a_stated_orientation_leaves_headers_alone_that_have_one(tmp_path):
    nib.save(nib.Nifti1Image(GOOD, AFFINE), tmp_path / "scan.nii")
    assert nib.aff2axcodes(read_given(tmp_path / "scan.nii", "LAS")[0].affine) == ("R", "A", "S")


def test_both_files_of_a_pair_stand_for_it(tmp_path):
    path = analyze(tmp_path)
    first = sha256_of_scan(path)
    assert sha256_of_scan(path.with_suffix(".hdr")) == first
    path.write_bytes(path.read_bytes()[::-1])
    assert sha256_of_scan(path.with_suffix(".hdr")) != first


def test_fewer_and_thicker_slices_are_read_where_the_user_wants_them(tmp_path):
    nib.save(nib.Nifti1Image(GOOD[:, :, :22], np.diag([4.0, 4, 6, 1])), tmp_path / "scan.nii")
    with pytest.raises(QuarantinedScan, match=r"at least 32 along every axis .preprocessing.min_slices."):
        read_given(tmp_path / "scan.nii")
    assert read_scan(tmp_path / "scan.nii").shape == (40, 44, 22)  # as a product of this scan is read
    assert read_given(tmp_path / "scan.nii", min_slices=22)[0].shape == (40, 44, 22)
    nib.save(nib.Nifti1Image(GOOD[:, :, :24], np.diag([4.0, 4, 8, 1])), tmp_path / "thick.nii")
    with pytest.raises(QuarantinedScan, match=r"outside 0.3-7.27 mm"):
        read_given(tmp_path / "thick.nii", min_slices=22)


BALL = (np.indices(SHAPE).T - np.array(SHAPE) / 2).T
BALL = (BALL**2).sum(axis=0) < 16**2


def scan_of(tmp_path, data: np.ndarray):
    nib.save(nib.Nifti1Image(data, AFFINE), tmp_path / "scan.nii.gz")
    return read_given(tmp_path / "scan.nii.gz")


@pytest.mark.parametrize("mark", [np.nan, -32768, -9999])
def test_marks_of_the_background_are_zero_and_said(mark, tmp_path):
    image, mended = scan_of(tmp_path, np.where(BALL, GOOD, mark).astype(np.float32))
    assert np.array_equal(image.get_fdata(), np.where(BALL, GOOD, 0))
    assert mended == {"filled": pytest.approx(1 - BALL.mean()), "offset": 0}


def test_nan_inside_the_head_is_no_background(tmp_path):
    data = np.where(BALL, GOOD, np.nan).astype(np.float32)
    data[16:24, 18:26, 20:28] = np.nan
    with pytest.raises(QuarantinedScan, match="not the background"):
        scan_of(tmp_path, data)


def test_a_linear_map_of_a_magnitude_image_is_one_again(tmp_path):
    noise = np.abs(np.random.default_rng(0).normal(0, 10, SHAPE))
    head = (np.where(BALL, 500 + GOOD / 2, 0) + noise).astype(np.float32)
    image, mended = scan_of(tmp_path, 0.5 * head - 100)
    assert np.abs(image.get_fdata() - 0.5 * head).max() < 0.1
    assert mended["offset"] == pytest.approx(100 / np.percentile(0.5 * head, 99), rel=0.01)


def test_z_scores_in_a_mask_keep_their_background(tmp_path):
    scores = (GOOD - 500.0) / 290
    image, mended = scan_of(tmp_path, np.where(BALL, scores, 0).astype(np.float32))
    found = image.get_fdata()
    assert not found[~BALL].any() and found.min() >= 0 and mended["offset"] > 0.3
    assert np.corrcoef(found[BALL], scores[BALL])[0, 1] > 0.99


def test_a_little_ringing_below_zero_stays(tmp_path):
    data = np.where(BALL, GOOD, 0).astype(np.float32)
    data[::7] -= 3
    image, mended = scan_of(tmp_path, data)
    assert np.array_equal(image.get_fdata(), data) and mended == {"filled": 0, "offset": 0}


def test_hounsfield_units_are_a_ct(tmp_path):
    with pytest.raises(QuarantinedScan, match="a CT, not an MR image"):
        scan_of(tmp_path, np.where(BALL, 40 + GOOD, -1000).astype(np.int16))


def test_an_air_as_bright_as_the_head_is_that_of_an_mp2rage(tmp_path):
    """Its ratio of two inversions, with the noise of both in the air."""
    rng = np.random.default_rng(0)
    first, second = (
        np.where(BALL, signal, 0) + 1j * rng.normal(0, 5, SHAPE) for signal in (5.0 * np.indices(SHAPE)[0], 150.0)
    )
    first, second = first + rng.normal(0, 5, SHAPE), second + rng.normal(0, 5, SHAPE)
    uniform = np.real(np.conj(first) * second) / (np.abs(first) ** 2 + np.abs(second) ** 2)
    with pytest.raises(QuarantinedScan, match=r"MP2RAGE .*UNI-DEN"):
        scan_of(tmp_path, (4095 * (uniform + 0.5)).astype(np.float32))
    smooth = ndimage.gaussian_filter(rng.normal(0, 5, SHAPE), 3) * 60 + 300  # bright, but not noise
    scan_of(tmp_path, np.where(BALL, GOOD, smooth).astype(np.float32))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint16", "float64"])
def test_any_scalar_type_is_read(dtype, tmp_path):
    data = (GOOD % 251).astype(dtype)
    nib.save(nib.Nifti1Image(data, AFFINE, dtype=dtype), tmp_path / "scan.nii.gz")
    assert np.array_equal(read_scan(tmp_path / "scan.nii.gz").get_fdata(), data)


def test_a_good_scan_keeps_grid_and_values(tmp_path):
    data = GOOD.astype(np.float32)
    data[3, 3, 3] = np.inf  # one voxel in a hundred thousand
    nib.save(nib.Nifti1Image(data[..., None], AFFINE), tmp_path / "scan.nii.gz")
    image = read_scan(tmp_path / "scan.nii.gz")
    assert image.shape == SHAPE
    assert np.array_equal(image.affine, AFFINE)
    data[3, 3, 3] = 0
    assert np.array_equal(image.get_fdata(), data)


def test_a_hole_is_refused_scattered_voxels_are_zero_and_the_background_is_not_counted_with_a_pocket() -> None:
    data = np.random.default_rng(0).integers(1, 1000, (64, 64, 64)).astype(np.float32)
    scattered, hole, framed = data.copy(), data.copy(), np.full((96, 96, 96), np.nan, np.float32)
    scattered[::16, ::16, ::8] = np.nan
    assert not np.isnan(finite(scattered)).any()
    hole[30:36, 30:36, 30:36] = np.nan  # 0.08 % of the image
    with pytest.raises(QuarantinedScan, match="a hole of 216 voxels"):
        finite(hole)
    framed[16:80, 16:80, 16:80] = data
    framed[40:52, 40:52, 40:52] = np.nan
    left, filled = as_zero(framed)
    assert np.isnan(left).sum() == 12**3 and filled == pytest.approx(1 - 64**3 / 96**3)
    with pytest.raises(QuarantinedScan, match=r"0\.2% of the voxels are not finite"):
        finite(left)
