"""Messages between CA and applicant as values, for both sides; nothing here sends or fetches one."""
