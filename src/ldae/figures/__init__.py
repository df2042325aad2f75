"""The paper's figures and tables, drawn from finished result files; no number is made here."""
