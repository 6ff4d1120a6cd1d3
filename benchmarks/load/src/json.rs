//! One flat JSON object from names and numbers.

use std::fmt::Write;

/// A line of JSON that grows field by field.
pub struct Line(String);

impl Line {
    /// An object that names its mode.
    pub fn of(mode: &str) -> Self {
        Self(format!("{{\"mode\":\"{mode}\""))
    }

    /// Adds a whole number.
    pub fn count(mut self, name: &str, value: u64) -> Self {
        // Writing to a String can't fail.
        let _ = write!(self.0, ",\"{name}\":{value}");
        self
    }

    /// Adds a number with three decimals.
    pub fn number(mut self, name: &str, value: f64) -> Self {
        let _ = write!(self.0, ",\"{name}\":{value:.3}");
        self
    }

    /// The finished object.
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// The value under which a part of sorted values lies.
pub fn percentile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * part).round() as usize;
    sorted.get(at.min(last)).copied().unwrap_or(0.0)
}
