//! Texts of values: the many ways to write a right one, and the ways to write a wrong one.
//!
//! What is right is decided by Flink and by the solver, never here; a text that is meant to be wrong may be right.

use fastrand::Rng;

/// The largest size there is.
pub const MAX: u64 = i64::MAX.unsigned_abs();

/// One of a list.
pub fn one_of<'a, T: ?Sized>(rng: &mut Rng, list: &[&'a T]) -> &'a T {
    list[rng.usize(..list.len())]
}

/// Whether something happens that does so in this many of a hundred cases.
pub fn percent(rng: &mut Rng, chance: u32) -> bool {
    rng.u32(..100) < chance
}

/// A number of bytes between two bounds, each order of magnitude as likely as the others.
pub fn magnitude(rng: &mut Rng, least: u64, most: u64) -> u64 {
    let (low, high) = (least.max(1).ilog2(), most.max(1).ilog2());
    let bits = rng.u32(low..=high);
    let base = 1_u64 << bits;
    (base | rng.u64(..base)).clamp(least, most)
}

/// The value moved by next to nothing, or not at all: what lies on either side of a bound.
pub fn nudged(rng: &mut Rng, value: u64) -> u64 {
    let step = *one_of(
        rng,
        &[
            &0_i64,
            &0,
            &0,
            &1,
            &-1,
            &1,
            &-1,
            &2,
            &-2,
            &1024,
            &-1024,
            &(1 << 20),
            &-(1 << 20),
        ],
    );
    value.saturating_add_signed(step).min(MAX)
}

/// A size in one of the spellings that Flink reads.
pub fn size(rng: &mut Rng, bytes: u64) -> String {
    const UNITS: [(u32, &[&str]); 5] = [
        (40, &["t", "tb", "tebibytes", "T", "TB"]),
        (30, &["g", "gb", "gibibytes", "G", "Gb"]),
        (20, &["m", "mb", "mebibytes", "M", "MB", "mB"]),
        (
            10,
            &["k", "kb", "kibibytes", "K", "KB", "\u{212a}", "\u{212a}b"],
        ),
        (0, &["", "b", "bytes", "B", "Bytes"]),
    ];
    let fitting: Vec<_> = UNITS
        .iter()
        .filter(|(shift, _)| bytes.trailing_zeros() >= *shift || *shift == 0)
        .collect();
    // Mostly the largest unit, as people write it.
    let chosen = if percent(rng, 80) {
        0
    } else {
        rng.usize(..fitting.len())
    };
    let (shift, names) = fitting[chosen];
    let name = if percent(rng, 60) {
        names[0]
    } else {
        one_of(rng, names)
    };
    let number = bytes >> shift;
    match rng.u32(..40) {
        0 => format!(" {number}{name}"),
        1 => format!("{number}{name}\t"),
        2 => format!("{number} {name}"),
        3 => format!("{number} \t \u{1f}{name} "),
        4 => format!("00{number}{name}"),
        _ => format!("{number}{name}"),
    }
}

/// Something in place of a size.
pub fn strange_size(rng: &mut Rng) -> String {
    const TEXTS: [&str; 50] = [
        "",
        " ",
        "\t\u{1f}",
        "\u{a0}",
        "\u{2003}1g",
        "1g\u{a0}",
        "1\u{a0}g",
        "-1",
        "+1g",
        "-0",
        "1.5g",
        ".5g",
        "1,5g",
        "1e9",
        "1_000m",
        "0x10",
        "g",
        "mb 1",
        "1gib",
        "1Gi",
        "1 g b",
        "1mm",
        "1 k b",
        "1kibibyte",
        "1byte",
        "10%",
        "١٢",
        "1٢m",
        "𝟙g",
        "ⅷ",
        "9223372036854775807",
        "9223372036854775808",
        "9223372036854775807k",
        "8388607t",
        "8388608t",
        "8589934591g",
        "8589934592 g",
        "18446744073709551616",
        "99999999999999999999999999m",
        "00000000000000000000000001k",
        "\"1g\"",
        "'1g'",
        "1g # comment",
        "null",
        "unlimited",
        "1İ",
        "1ſ",
        "1ΜB",
        "\u{feff}1g",
        "1\u{0}g",
    ];
    one_of(rng, &TEXTS).to_owned()
}

/// A size at the far end of the range.
pub fn huge_size(rng: &mut Rng) -> u64 {
    let far = *one_of(
        rng,
        &[
            &MAX,
            &(MAX / 2),
            &(MAX / 2 + 1),
            &(1_u64 << 53),
            &(8_388_607_u64 << 40),
            &(MAX / 3),
        ],
    );
    nudged(rng, far)
}

/// A fraction in one of the spellings that Java reads.
pub fn fraction(rng: &mut Rng) -> String {
    let value = match rng.u32(..10) {
        0 => *one_of(
            rng,
            &[
                &0.0, &0.1, &0.2, &0.25, &0.4, &0.5, &0.75, &0.9, &0.99, &0.999,
            ],
        ),
        1 => rng.f64() * 1e-6,
        2 => 1.0 - rng.f64() * 1e-6,
        _ => rng.f64(),
    };
    match rng.u32(..40) {
        0 => format!(" {value:.3} "),
        1 => format!("{value:e}"),
        2 => format!("{value:E}f"),
        3 => format!("+{value:.4}D"),
        4 => format!("{value:.2}").trim_start_matches('0').to_owned(),
        5 => format!("0x1.{:x}p-{}", rng.u32(..1 << 24), rng.u32(1..6)),
        6..12 => format!("{value}"),
        _ => format!("{value:.*}", rng.usize(1..8)),
    }
}

/// Something at the edge of a fraction's range, beyond it, or no number at all.
pub fn strange_fraction(rng: &mut Rng) -> String {
    const TEXTS: [&str; 66] = [
        "0",
        "0.",
        ".0",
        "-0.0",
        "-0",
        "0.0f",
        "1",
        "1.0",
        "0.99999994",
        "0.99999997",
        "0.999999970197678",
        "0.99999999",
        "1.0000001",
        "1e-45",
        "7e-46",
        "1.4e-45f",
        "1e-10",
        "0x1p-3",
        "0X1.8P-1d",
        "0x.8p0",
        "0x1p0",
        "0x1.fffffep-1",
        "0x1.ffffffp-1",
        "0x1p",
        "0x1",
        "NaN",
        "-NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "infinity",
        "+Infinity",
        "2",
        "-0.1",
        "-1e-50",
        "1e400",
        "1e-400",
        "1e",
        "e1",
        ".",
        "+",
        "-",
        "",
        " ",
        "0,1",
        "10%",
        "0.1.2",
        "0..1",
        "0.1ff",
        "0.1fd",
        "0.1L",
        "--0.1",
        "+-0.1",
        "1_0",
        "0.1 2",
        "٠.١",
        "0.1\u{a0}",
        "\t0.1\n",
        "1e+-1",
        "0.1e",
        "0.1e-1",
        "null",
        "0x1p-1f",
        "0x1.0000010p-1",
        "0x1.00000100000001p-1",
    ];
    one_of(rng, &TEXTS).to_owned()
}

/// Something in place of a whole number.
pub fn strange_integer(rng: &mut Rng) -> String {
    const TEXTS: [&str; 34] = [
        "",
        " ",
        "0",
        "-1",
        "-2",
        "+1",
        "+0",
        "-0",
        "007",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "1_000",
        "0x10",
        "1L",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "99999999999",
        "9223372036854775807",
        "9223372036854775808",
        "+",
        "-",
        "--1",
        "٣",
        "-٣",
        "१२",
        "𝟙",
        "1٣",
        "one",
        "null",
        "½",
    ];
    one_of(rng, &TEXTS).to_owned()
}

/// A double, as numbers of cores are written.
pub fn double(rng: &mut Rng) -> String {
    match rng.u32(..10) {
        0 => strange_fraction(rng),
        1 => one_of(rng, &["NaN", "Infinity", "-Infinity", " NaN ", "1e400"]).to_owned(),
        2 => format!("{:e}", rng.f64() * 1e-7),
        3 => one_of(
            rng,
            &[
                "1e-9",
                "1e-8",
                "1.00000001e-8",
                "9.999999999e-9",
                "0.123456789",
                "1e7",
                "1e8",
                "1e22",
                "2e-3",
                "1e300",
                "5e-324",
            ],
        )
        .to_owned(),
        4 => rng.u32(1..64).to_string(),
        _ => format!("{:.*}", rng.usize(1..12), rng.f64() * 16.0),
    }
}
