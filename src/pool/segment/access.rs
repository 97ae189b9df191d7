//! Typed access to the bytes of a segment, at any alignment: native, little-endian and big-endian.
//!
//! Whatever is serialised is big-endian; the native form is for data that does not leave the machine.

use super::{MemorySegment, SegmentError};

impl MemorySegment {
    /// Reads the `WIDTH` bytes at `index` with one comparison.
    #[inline]
    fn load<const WIDTH: usize>(&self, index: usize) -> Result<[u8; WIDTH], SegmentError> {
        self.check(index, WIDTH)?;
        // SAFETY: the check says that the bytes lie inside memory that lives; arrays of bytes have no alignment.
        Ok(unsafe { self.start.add(index).cast::<[u8; WIDTH]>().read() })
    }

    /// Writes the `WIDTH` bytes at `index` with one comparison.
    #[inline]
    fn store<const WIDTH: usize>(
        &mut self,
        index: usize,
        bytes: [u8; WIDTH],
    ) -> Result<(), SegmentError> {
        self.check(index, WIDTH)?;
        // SAFETY: as for loading; and the exclusive reference is one to the memory.
        unsafe { self.start.add(index).cast::<[u8; WIDTH]>().write(bytes) };
        Ok(())
    }

    /// Reads the byte at `index`.
    ///
    /// # Errors
    /// When it is out of bounds or the segment was freed.
    #[inline]
    pub fn get_u8(&self, index: usize) -> Result<u8, SegmentError> {
        self.load::<1>(index).map(|[byte]| byte)
    }

    /// Writes the byte at `index`.
    ///
    /// # Errors
    /// When it is out of bounds or the segment was freed.
    #[inline]
    pub fn put_u8(&mut self, index: usize, value: u8) -> Result<(), SegmentError> {
        self.store(index, [value])
    }

    /// Reads the byte at `index`; any but 0 is true.
    ///
    /// # Errors
    /// When it is out of bounds or the segment was freed.
    #[inline]
    pub fn get_bool(&self, index: usize) -> Result<bool, SegmentError> {
        self.get_u8(index).map(|byte| byte != 0)
    }

    /// Writes 1 or 0 to the byte at `index`.
    ///
    /// # Errors
    /// When it is out of bounds or the segment was freed.
    #[inline]
    pub fn put_bool(&mut self, index: usize, value: bool) -> Result<(), SegmentError> {
        self.put_u8(index, u8::from(value))
    }
}

/// The three forms of reading and writing one type. The floating-point types travel as their bits, whatever they are.
macro_rules! accesses {
    ($type:ty, $words:literal, $get:ident, $put:ident, $get_little:ident, $put_little:ident, $get_big:ident, $put_big:ident) => {
        impl MemorySegment {
            #[doc = concat!("Reads ", $words, " at `index`, in the byte order of the machine.")]
            ///
            /// # Errors
            /// When a byte of it is out of bounds or the segment was freed.
            #[inline]
            pub fn $get(&self, index: usize) -> Result<$type, SegmentError> {
                self.load(index).map(<$type>::from_ne_bytes)
            }

            #[doc = concat!("Writes ", $words, " at `index`, in the byte order of the machine.")]
            ///
            /// # Errors
            /// When a byte of it is out of bounds or the segment was freed; nothing is written then.
            #[inline]
            pub fn $put(&mut self, index: usize, value: $type) -> Result<(), SegmentError> {
                self.store(index, value.to_ne_bytes())
            }

            #[doc = concat!("Reads ", $words, " at `index`, little-endian.")]
            ///
            /// # Errors
            /// When a byte of it is out of bounds or the segment was freed.
            #[inline]
            pub fn $get_little(&self, index: usize) -> Result<$type, SegmentError> {
                self.load(index).map(<$type>::from_le_bytes)
            }

            #[doc = concat!("Writes ", $words, " at `index`, little-endian.")]
            ///
            /// # Errors
            /// When a byte of it is out of bounds or the segment was freed; nothing is written then.
            #[inline]
            pub fn $put_little(&mut self, index: usize, value: $type) -> Result<(), SegmentError> {
                self.store(index, value.to_le_bytes())
            }

            #[doc = concat!("Reads ", $words, " at `index`, big-endian.")]
            ///
            /// # Errors
            /// When a byte of it is out of bounds or the segment was freed.
            #[inline]
            pub fn $get_big(&self, index: usize) -> Result<$type, SegmentError> {
                self.load(index).map(<$type>::from_be_bytes)
            }

            #[doc = concat!("Writes ", $words, " at `index`, big-endian.")]
            ///
            /// # Errors
            /// When a byte of it is out of bounds or the segment was freed; nothing is written then.
            #[inline]
            pub fn $put_big(&mut self, index: usize, value: $type) -> Result<(), SegmentError> {
                self.store(index, value.to_be_bytes())
            }
        }
    };
}

accesses!(
    u16,
    "2 bytes without a sign, which is also Java's `char`,",
    get_u16,
    put_u16,
    get_u16_little_endian,
    put_u16_little_endian,
    get_u16_big_endian,
    put_u16_big_endian
);
accesses!(
    i16,
    "2 bytes",
    get_i16,
    put_i16,
    get_i16_little_endian,
    put_i16_little_endian,
    get_i16_big_endian,
    put_i16_big_endian
);
accesses!(
    i32,
    "4 bytes",
    get_i32,
    put_i32,
    get_i32_little_endian,
    put_i32_little_endian,
    get_i32_big_endian,
    put_i32_big_endian
);
accesses!(
    i64,
    "8 bytes",
    get_i64,
    put_i64,
    get_i64_little_endian,
    put_i64_little_endian,
    get_i64_big_endian,
    put_i64_big_endian
);
accesses!(
    f32,
    "the 4 bytes of a floating-point number",
    get_f32,
    put_f32,
    get_f32_little_endian,
    put_f32_little_endian,
    get_f32_big_endian,
    put_f32_big_endian
);
accesses!(
    f64,
    "the 8 bytes of a floating-point number",
    get_f64,
    put_f64,
    get_f64_little_endian,
    put_f64_little_endian,
    get_f64_big_endian,
    put_f64_big_endian
);
