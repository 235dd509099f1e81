"""What an issuance costs, measured side by side with a server nobody here wrote, on one machine in one run.

Figures are compared within a run only: another machine, or the same one on a busier day, has others. See README.md.
"""
