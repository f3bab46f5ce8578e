//! Amounts and shares: decimals, never floats.

use rust_decimal::Decimal;

/// Digits before and after the point that an amount of CSA's may have, so that a product of two and a share fits.
const WHOLE_MAX: Decimal = Decimal::from_parts(1_316_134_912, 2328, 0, false, 0);
const SCALE_MAX: u32 = 6;
/// Digits after the point of a share of one: a thousandth of a second of a year still shows.
const SHARE_SCALE: u32 = 12;
/// Digits after the point of a share of an amount.
const CHARGE_SCALE: u32 = 10;

/// An amount as CSA writes it, such as `1200.0`.
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    let amount = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()?;
    let amount = amount.normalize();
    (fits(amount) && amount.scale() <= SCALE_MAX).then_some(amount)
}

/// As the contract writes it.
pub(crate) fn text(amount: Decimal) -> String {
    amount.normalize().to_string()
}

/// Whether an amount is small enough for its shares to be exact.
pub(crate) fn fits(amount: Decimal) -> bool {
    amount.abs() < WHOLE_MAX
}

/// How much of a whole a part is. Parts that meet have shares that add up, when each is the difference of two of these.
pub(crate) fn share(part: i64, whole: i64) -> Decimal {
    share_of(Decimal::ONE, part, whole).round_dp(SHARE_SCALE)
}

/// As [`share`], of an amount.
pub(crate) fn charge(amount: Decimal, part: i64, whole: i64) -> Decimal {
    share_of(amount, part, whole).round_dp(CHARGE_SCALE)
}

fn share_of(amount: Decimal, part: i64, whole: i64) -> Decimal {
    let product = amount.checked_mul(Decimal::from(part));
    // An amount that fits, times the milliseconds of a year, is far below what a decimal holds.
    product.and_then(|product| product.checked_div(Decimal::from(whole))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_what_csa_writes() {
        assert_eq!(WHOLE_MAX.to_string(), "10000000000000");
        for (given, plain) in [
            ("1200.0", "1200"),
            ("0.0", "0"),
            ("-0.0", "0"),
            ("19.99", "19.99"),
            ("1.5E2", "150"),
            ("-5", "-5"),
        ] {
            assert_eq!(parse(given).map(text).as_deref(), Some(plain), "{given}");
        }
        for given in ["", "free", "1,200.00", "1e30", "10000000000000", "0.0000001", "NaN", "1.2.3"]
        {
            assert_eq!(parse(given), None, "{given}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_comes_back_digit_for_digit(whole in 0..9_999_999_999_999_i64, cents in 0..1_000_000_i64) {
            let amount = Decimal::from(whole) + Decimal::new(cents, 6);
            prop_assert_eq!(parse(&text(amount)), Some(amount));
        }

        #[test]
        fn shares_of_parts_that_meet_add_up(
            whole in 1..40_000_000_000_i64,
            cuts in prop::collection::vec(0..1000_i64, 0..6),
            cents in 0..999_999_999_999_999_i64,
        ) {
            let price = Decimal::new(cents, 2);
            let mut at: Vec<i64> = cuts.iter().map(|cut| whole / 1000 * cut).chain([0, whole]).collect();
            at.sort();
            let parts: Vec<Decimal> =
                at.windows(2).map(|pair| share(pair[1], whole) - share(pair[0], whole)).collect();
            prop_assert_eq!(parts.iter().sum::<Decimal>(), Decimal::ONE);
            prop_assert!(parts.iter().all(|part| !part.is_sign_negative()));
            let charges = at.windows(2).map(|pair| charge(price, pair[1], whole) - charge(price, pair[0], whole));
            prop_assert_eq!(charges.sum::<Decimal>(), price);
        }
    }
}
