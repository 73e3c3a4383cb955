"""The learner `imagine`: actor and critic learn by gradient in M's dreams."""
