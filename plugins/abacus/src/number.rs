//! Numbers as the contract has them. Abacus computes in JavaScript, which writes `1e-7` and `1e+21`.

use serde_json::Number;

/// The contract's bound.
const DIGITS_MAX: usize = 28;

/// The number in plain digits, none of them lost. None when it has more than the contract lets it have.
pub(crate) fn decimal(number: &Number) -> Option<String> {
    let text = number.to_string();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text.as_str(), 0),
    };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // Where the point is, counted from the first digit.
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    if usize::try_from(point.unsigned_abs()).ok()? > DIGITS_MAX {
        return None;
    }
    let (whole, fraction) = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => (format!("{digits:0<point$}"), String::new()),
        Ok(point) => (digits.chars().take(point).collect(), digits.chars().skip(point).collect()),
        Err(_) => {
            let zeros = usize::try_from(point.unsigned_abs()).ok()?;
            (String::new(), format!("{}{digits}", "0".repeat(zeros)))
        }
    };
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    if whole.len() + fraction.len() > DIGITS_MAX {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(match (sign, whole, fraction) {
        (_, "0", "") => "0".to_owned(),
        (sign, whole, "") => format!("{sign}{whole}"),
        (sign, whole, fraction) => format!("{sign}{whole}.{fraction}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_javascript_writes_is_plain_and_complete() {
        for (text, plain) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("145", "145"),
            ("0.0002100110517361111", "0.0002100110517361111"),
            ("46.09", "46.09"),
            ("-12.50", "-12.5"),
            ("1e-7", "0.0000001"),
            ("1.5e-3", "0.0015"),
            ("1e+21", "1000000000000000000000"),
            ("-2.5E2", "-250"),
            ("100", "100"),
        ] {
            let number: Number = serde_json::from_str(text).unwrap();
            assert_eq!(decimal(&number).as_deref(), Some(plain), "{text}");
        }
        for text in ["1e308", "1e-308", "1e99999999999", "12345678901234567890123456789", "5e-324"]
        {
            let number: Number = serde_json::from_str(text).unwrap();
            assert_eq!(decimal(&number), None, "{text}");
        }
    }
}
