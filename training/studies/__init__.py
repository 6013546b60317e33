"""What the studies are made of (`training.ablate_transcriber`, `training.study_*`): runs, scores, tables."""
