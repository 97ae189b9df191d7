//! One thing that is written to a paged view, and read again.

// This file is a module of the tests of our views and, by its path, of those of our views against Flink's.

use headroom::pool::view::{PageSink, PageSource, PagedInput, PagedOutput, ViewError};

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    Bytes(Vec<u8>),
    Text(String),
    /// A text of UTF-16, in which halves of surrogate pairs may stand.
    Units(Vec<u16>),
    /// A line without its end.
    Line(Vec<u8>),
    /// So many bytes that are left as they are.
    Skip(usize),
}

impl Value {
    pub fn write<Sink: PageSink>(&self, view: &mut PagedOutput<Sink>) -> Result<(), ViewError> {
        match self {
            Self::Bool(value) => view.write_bool(*value),
            Self::U8(value) => view.write_u8(*value),
            Self::I8(value) => view.write_i8(*value),
            Self::U16(value) => view.write_u16(*value),
            Self::I16(value) => view.write_i16(*value),
            Self::I32(value) => view.write_i32(*value),
            Self::I64(value) => view.write_i64(*value),
            Self::F32(bits) => view.write_f32(f32::from_bits(*bits)),
            Self::F64(bits) => view.write_f64(f64::from_bits(*bits)),
            Self::Bytes(bytes) => view.write_bytes(bytes),
            Self::Text(text) => view.write_utf(text),
            Self::Units(units) => view.write_utf_units(units.iter().copied()),
            Self::Line(bytes) => {
                view.write_bytes(bytes)?;
                view.write_u8(b'\n')
            }
            Self::Skip(length) => view.skip(*length),
        }
    }

    /// Reads another value of the same shape.
    pub fn read<Source: PageSource>(
        &self,
        view: &mut PagedInput<Source>,
    ) -> Result<Self, ViewError> {
        Ok(match self {
            Self::Bool(_) => Self::Bool(view.read_bool()?),
            Self::U8(_) => Self::U8(view.read_u8()?),
            Self::I8(_) => Self::I8(view.read_i8()?),
            Self::U16(_) => Self::U16(view.read_u16()?),
            Self::I16(_) => Self::I16(view.read_i16()?),
            Self::I32(_) => Self::I32(view.read_i32()?),
            Self::I64(_) => Self::I64(view.read_i64()?),
            Self::F32(_) => Self::F32(view.read_f32()?.to_bits()),
            Self::F64(_) => Self::F64(view.read_f64()?.to_bits()),
            Self::Bytes(bytes) => {
                let mut read = vec![0; bytes.len()];
                view.read_fully(&mut read)?;
                Self::Bytes(read)
            }
            Self::Text(_) => Self::Text(view.read_utf()?),
            Self::Units(_) => Self::Units(view.read_utf_units()?),
            Self::Line(_) => {
                let line = view.read_line()?.ok_or(ViewError::EndOfData)?;
                let bytes = line.chars().filter_map(|byte| u8::try_from(byte).ok());
                Self::Line(bytes.collect())
            }
            Self::Skip(length) => {
                view.skip_fully(*length)?;
                Self::Skip(*length)
            }
        })
    }
}
