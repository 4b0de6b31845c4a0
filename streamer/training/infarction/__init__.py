"""`ecg-stream train --recipe infarction`: records with a diagnosis, their beats, and the report."""
