"""Balancing the classes of the training features."""

from fer_fast.balance.smote import balance_classes

__all__ = ["balance_classes"]
