"""A model's answers to a survey compared with people's, beside the noise of people against people."""
