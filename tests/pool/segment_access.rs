//! Typed access to segments: lines A1 to A7, and byte order: line B9.

use headroom::pool::segment::SegmentKind;

use crate::random::Random;
use crate::segment::{INT_MAX, INT_MIN, KINDS, MINUS_ONE, allocate, assert_out_of_bounds, each};

/// Single bytes come back from every place of a segment, and none lies outside of it.
#[test]
fn a1_byte_access() {
    each(|mut segment| {
        let size = segment.size();
        for index in [MINUS_ONE, size, INT_MAX, INT_MIN] {
            assert_out_of_bounds(segment.get_u8(index));
            assert_out_of_bounds(segment.put_u8(index, 0));
        }
        let bytes = Random::new(1).bytes(size);
        for (index, byte) in bytes.iter().enumerate() {
            segment.put_u8(index, *byte).unwrap();
        }
        for (index, byte) in bytes.iter().enumerate() {
            assert_eq!(segment.get_u8(index), Ok(*byte));
        }
        let mut random = Random::new(2);
        for _ in 0..1000 {
            let (index, value) = (random.below(size), random.bits() as u8);
            segment.put_u8(index, value).unwrap();
            assert_eq!(segment.get_u8(index), Ok(value));
        }
    });
}

/// Booleans come back from every place of a segment, any byte but 0 is true, and none lies outside.
#[test]
fn a2_boolean_access() {
    each(|mut segment| {
        let size = segment.size();
        for index in [MINUS_ONE, size, INT_MAX, INT_MIN] {
            assert_out_of_bounds(segment.get_bool(index));
            assert_out_of_bounds(segment.put_bool(index, true));
        }
        let bytes = Random::new(3).bytes(size);
        for (index, byte) in bytes.iter().enumerate() {
            segment.put_bool(index, byte & 1 == 1).unwrap();
        }
        for (index, byte) in bytes.iter().enumerate() {
            assert_eq!(segment.get_bool(index), Ok(byte & 1 == 1));
        }
        segment.put_u8(7, 0x80).unwrap();
        assert_eq!(segment.get_bool(7), Ok(true));
    });
}

/// Tests one type: what is refused, values at every multiple of its width, and 1000 places that are not aligned.
macro_rules! access {
    ($test:ident, $words:literal, $type:ty, $get:ident, $put:ident, $from_bits:expr, $to_bits:expr) => {
        #[doc = $words]
        #[test]
        fn $test() {
            const WIDTH: usize = size_of::<$type>();
            let from_bits: fn(u64) -> $type = $from_bits;
            let to_bits: fn($type) -> u64 = $to_bits;
            each(|mut segment| {
                let size = segment.size();
                let last = WIDTH - 1;
                for index in [
                    MINUS_ONE,
                    size,
                    size - last,
                    INT_MIN,
                    INT_MAX,
                    INT_MAX - last,
                    usize::MAX - last,
                ] {
                    assert_out_of_bounds(segment.$get(index));
                    assert_out_of_bounds(segment.$put(index, from_bits(0)));
                }
                let mut random = Random::new(4);
                for index in (0..=size - WIDTH).step_by(WIDTH) {
                    segment.$put(index, from_bits(random.bits())).unwrap();
                }
                let mut random = Random::new(4);
                for index in (0..=size - WIDTH).step_by(WIDTH) {
                    let value = to_bits(from_bits(random.bits()));
                    assert_eq!(segment.$get(index).map(to_bits), Ok(value));
                }
                for _ in 0..1000 {
                    let (index, value) = (random.below(size - last), from_bits(random.bits()));
                    segment.$put(index, value).unwrap();
                    assert_eq!(segment.$get(index).map(to_bits), Ok(to_bits(value)));
                }
            });
        }
    };
}

access!(
    a3_char_access,
    "Java's `char` comes back from aligned and other places, and none reaches over the end.",
    u16,
    get_u16,
    put_u16,
    |bits| bits as u16,
    u64::from
);
access!(
    a4_short_access,
    "Values of 2 bytes come back from aligned and other places, and none reaches over the end.",
    i16,
    get_i16,
    put_i16,
    |bits| bits as i16,
    |value| u64::from(value.cast_unsigned())
);
access!(
    a5_int_access,
    "Values of 4 bytes come back from aligned and other places, and none reaches over the end.",
    i32,
    get_i32,
    put_i32,
    |bits| bits as i32,
    |value| u64::from(value.cast_unsigned())
);
access!(
    a6_long_access,
    "Values of 8 bytes come back from aligned and other places, and none reaches over the end.",
    i64,
    get_i64,
    put_i64,
    u64::cast_signed,
    i64::cast_unsigned
);
access!(
    a7_float_access,
    "Floating-point numbers of 4 bytes keep their bits, whatever they mean, and none reaches over the end.",
    f32,
    get_f32,
    put_f32,
    |bits| f32::from_bits(bits as u32),
    |value| u64::from(value.to_bits())
);
access!(
    a7_double_access,
    "Floating-point numbers of 8 bytes keep their bits, whatever they mean, and none reaches over the end.",
    f64,
    get_f64,
    put_f64,
    f64::from_bits,
    f64::to_bits
);

/// What is written in one byte order and read in the other has its bytes reversed, at any alignment.
#[test]
fn b9_byte_order() {
    const ROUNDS: usize = 10_000;
    macro_rules! reversed {
        ($segment:ident, $random:ident, $type:ty, $width:literal,
         $get:ident, $get_little:ident, $put_little:ident, $get_big:ident, $put_big:ident, $put:ident) => {
            for _ in 0..ROUNDS {
                let index = $random.below($segment.size() - $width + 1);
                let bytes = $random.bits().to_ne_bytes();
                let bytes: [u8; $width] = std::array::from_fn(|at| bytes[at]);
                let value = <$type>::from_le_bytes(bytes);
                $segment.$put_little(index, value).unwrap();
                let mut read = $segment.$get_big(index).unwrap().to_le_bytes();
                read.reverse();
                assert_eq!(read, bytes);
                $segment.$put_big(index, value).unwrap();
                let mut read = $segment.$get_little(index).unwrap().to_le_bytes();
                read.reverse();
                assert_eq!(read, bytes);
                $segment.$put(index, value).unwrap();
                let native = if cfg!(target_endian = "little") {
                    $segment.$get_little(index)
                } else {
                    $segment.$get_big(index)
                };
                assert_eq!(native.unwrap().to_le_bytes(), bytes);
                assert_eq!($segment.$get(index).unwrap().to_le_bytes(), bytes);
            }
        };
    }
    for &kind in KINDS {
        let mut segment = allocate(kind, 11_111);
        let mut random = Random::new(9);
        reversed!(
            segment,
            random,
            i64,
            8,
            get_i64,
            get_i64_little_endian,
            put_i64_little_endian,
            get_i64_big_endian,
            put_i64_big_endian,
            put_i64
        );
        reversed!(
            segment,
            random,
            i32,
            4,
            get_i32,
            get_i32_little_endian,
            put_i32_little_endian,
            get_i32_big_endian,
            put_i32_big_endian,
            put_i32
        );
        reversed!(
            segment,
            random,
            i16,
            2,
            get_i16,
            get_i16_little_endian,
            put_i16_little_endian,
            get_i16_big_endian,
            put_i16_big_endian,
            put_i16
        );
        reversed!(
            segment,
            random,
            u16,
            2,
            get_u16,
            get_u16_little_endian,
            put_u16_little_endian,
            get_u16_big_endian,
            put_u16_big_endian,
            put_u16
        );
        reversed!(
            segment,
            random,
            f32,
            4,
            get_f32,
            get_f32_little_endian,
            put_f32_little_endian,
            get_f32_big_endian,
            put_f32_big_endian,
            put_f32
        );
        reversed!(
            segment,
            random,
            f64,
            8,
            get_f64,
            get_f64_little_endian,
            put_f64_little_endian,
            get_f64_big_endian,
            put_f64_big_endian,
            put_f64
        );
    }
    let mut segment = allocate(SegmentKind::Heap, 8);
    segment.put_i32_big_endian(1, 0x0102_0304).unwrap();
    assert_eq!(segment.as_ref(), [0, 1, 2, 3, 4, 0, 0, 0]);
    segment.put_i32_little_endian(4, 0x0506_0708).unwrap();
    assert_eq!(segment.as_ref(), [0, 1, 2, 3, 8, 7, 6, 5]);
}
