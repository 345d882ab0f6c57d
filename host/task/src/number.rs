//! JSON numbers by their text: whole ones of any size, and the others.
//!
//! A number is whole if it is written without a fraction and an exponent, as Ruby has it: `1.0` and `1e3` are none.
//! Nothing is rounded, since a number keeps its digits from the input to the task and from the output to the record.
//! Only an exponent is spelled anew: `1E400` is handed on as `1e+400`.

use serde_json::Number;

/// Whether the number is written as a whole one.
pub(crate) fn is_whole(number: &Number) -> bool {
    !number.as_str().contains(['.', 'e', 'E'])
}

/// The value of a whole number, or the nearest that 128 bits hold: beyond every bound that a type can have.
pub(crate) fn whole(number: &Number) -> Option<i128> {
    let nearest = if number.as_str().starts_with('-') {
        i128::MIN
    } else {
        i128::MAX
    };
    is_whole(number).then(|| number.as_i128().unwrap_or(nearest))
}

/// The value of a number that is not whole, perhaps infinite.
pub(crate) fn float(number: &Number) -> Option<f64> {
    if is_whole(number) {
        return None;
    }
    number.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_is_lost_and_an_exponent_is_spelled_anew() {
        for (text, kept) in [
            ("1.10", "1.10"),
            ("-0", "-0"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
            ("1.50E400", "1.50e+400"),
            ("1e-05", "1e-05"),
        ] {
            let number = serde_json::from_str::<Number>(text).expect("a number");
            assert_eq!(number.to_string(), kept, "{text}");
        }
    }

    #[test]
    fn a_number_is_whole_or_not_by_its_text() {
        let number = |text: &str| serde_json::from_str::<Number>(text).expect("a number");
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("18446744073709551616", 1 << 64),
            ("-18446744073709551617", -(1 << 64) - 1),
            ("999999999999999999999999999999999999999999", i128::MAX),
            ("-999999999999999999999999999999999999999999", i128::MIN),
        ] {
            assert_eq!(whole(&number(text)), Some(value), "{text}");
            assert_eq!(float(&number(text)), None, "{text}");
        }
        for (text, value) in [
            ("1.0", 1.0),
            ("1E3", 1000.0),
            ("-0.0", 0.0),
            ("1e999", f64::INFINITY),
            ("-1e999", f64::NEG_INFINITY),
        ] {
            assert_eq!(whole(&number(text)), None, "{text}");
            assert_eq!(float(&number(text)), Some(value), "{text}");
        }
    }
}
