"""The review of a batch: one result after the other is shown, judged and corrected."""
