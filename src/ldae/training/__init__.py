"""The loop that trains every network, and what it needs: stages, jobs, reports, models, codes, memory."""
