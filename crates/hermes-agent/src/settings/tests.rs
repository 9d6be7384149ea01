//! Tests of the choice of models and of the reading of limits.
