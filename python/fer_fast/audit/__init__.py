"""What is wrong with a data set, and with flattering ways to test."""
