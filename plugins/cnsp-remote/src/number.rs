//! Numbers as the contract has them: digits, no exponent.

/// More zeros than this are not a quantity of anything.
const EXPONENT_MAX: usize = 40;

/// A number of JSON without its exponent, each digit kept: `1.50e2` is `150`, `1e-3` is `0.001`. None for what
/// is no number.
pub(crate) fn plain(text: &str) -> Option<String> {
    // Only JSON's grammar: no `+1`, no `.5`, no `NaN`.
    serde_json::from_str::<serde_json::Number>(text).ok()?;
    if text.contains(char::is_whitespace) {
        return None;
    }
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else {
        return Some(text.to_owned());
    };
    let exponent: isize = exponent.parse().ok()?;
    let shift = exponent.unsigned_abs();
    if shift > EXPONENT_MAX {
        return None;
    }
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, part) = if exponent >= 0 {
        let (moved, part) = part.split_at(shift.min(part.len()));
        (format!("{whole}{moved:0<shift$}"), part.to_owned())
    } else {
        let whole = format!("{whole:0>width$}", width = shift + 1);
        let (whole, moved) = whole.split_at(whole.len() - shift);
        (whole.to_owned(), format!("{moved}{part}"))
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    Some(match part.as_str() {
        "" => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{part}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_move_the_point() {
        for (text, shown) in [
            ("12.50", "12.50"),
            ("-0.0", "-0.0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1e3", "1000"),
            ("1.50E2", "150"),
            ("1.505e2", "150.5"),
            ("1.5e+3", "1500"),
            ("1e-7", "0.0000001"),
            ("-12.5e-1", "-1.25"),
            ("250e-2", "2.50"),
            ("0e5", "0"),
        ] {
            assert_eq!(plain(text).as_deref(), Some(shown), "{text}");
        }
        for text in [
            "",
            "x",
            "1e",
            "1e400",
            "+1",
            ".5",
            "1.",
            "NaN",
            "0x1",
            "1 2",
            " 1",
            "1e99999999999999999999",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
    }
}
