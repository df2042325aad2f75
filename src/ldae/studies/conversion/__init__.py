"""Who of those with MCI becomes a patient with AD, and when: survival on the code of the first scan with MCI."""
