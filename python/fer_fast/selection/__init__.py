"""Choosing features: the ant colony, its fitness, its scikit-learn selector."""
