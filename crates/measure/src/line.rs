//! The straight line through points, by least squares.

use crate::to_float;

/// A straight line through points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Its height at zero.
    pub offset: f64,
    /// How much it rises with each step.
    pub slope: f64,
    /// Which part of the variance it explains (R²), 0 to 1.
    pub explained: f64,
}

/// The line that is nearest to all points.
#[must_use]
pub fn line(points: &[(f64, f64)]) -> Line {
    let count = to_float(points.len() as u64);
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
    let covariance = mean(&|point| (point.0 - x) * (point.1 - y));
    let (var_x, var_y) = (mean(&|point| (point.0 - x).powi(2)), mean(&|point| (point.1 - y).powi(2)));
    let slope = covariance / var_x;
    Line { offset: y - slope * x, slope, explained: covariance.powi(2) / (var_x * var_y) }
}

/// The points' logarithms. The slope of the line through them is the exponent with which the one grows with the other.
#[must_use]
pub fn logarithms(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().map(|(x, y)| (x.ln(), y.ln())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_a_square_are_found_out() {
        let Line { offset, slope, explained } = line(&[(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)]);
        assert!((offset - 3.0).abs() < 1e-9 && (slope - 2.0).abs() < 1e-9 && (explained - 1.0).abs() < 1e-9);
        let square = [(1.0, 1.0), (10.0, 100.0), (100.0, 10_000.0)];
        assert!((line(&logarithms(&square)).slope - 2.0).abs() < 1e-9);
    }
}
