//! Ant Colony System for feature subset selection, without Python.
