"""One patient (`Chain`), many patients over shared arrays (`Ward`), snapshots."""
