"""The raw ADNI download: what is there, what is wrong with it, and its conversion to BIDS by Clinica."""
