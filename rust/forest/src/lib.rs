//! Histogram random forest over pre-binned columns, without Python.
