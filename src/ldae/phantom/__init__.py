"""A synthetic longitudinal ADNI download with known anatomy: whole-head T1w scans, DICOM files and study tables."""
