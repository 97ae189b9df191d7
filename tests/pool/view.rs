//! Paged views: lines C1 to C10, and what holds for every size of a page.

mod value;

use std::io::{Read, Write};

use headroom::pool::segment::MemorySegment;
use headroom::pool::view::{
    CollectedPages, FilledPage, PageList, PageSink, PageSource, PagedInput, PagedOutput, ViewError,
};
use proptest::prelude::*;

use self::value::Value;
use crate::random::Random;

type Output = PagedOutput<CollectedPages<MemorySegment, Box<dyn FnMut() -> Option<MemorySegment>>>>;
type Input = PagedInput<PageList<MemorySegment>>;

/// A view that writes to as many pages as it takes.
fn output(page_size: usize, header_length: usize) -> Output {
    output_of(page_size, header_length, usize::MAX)
}

/// A view that writes to so many pages.
fn output_of(page_size: usize, header_length: usize, pages: usize) -> Output {
    let mut left = pages;
    let supply = move || {
        left = left.checked_sub(1)?;
        Some(MemorySegment::allocate_heap(page_size).unwrap())
    };
    PagedOutput::new(
        CollectedPages::new(Box::new(supply) as Box<_>).unwrap(),
        header_length,
    )
    .unwrap()
}

/// A view that reads what was written.
fn input(written: Output) -> Input {
    let header_length = written.header_length();
    let mut view = PagedInput::new(PageList::new(written.into_pages()), header_length).unwrap();
    view.advance().unwrap();
    view
}

/// A view that reads bytes that were written to pages of this size.
fn input_of(bytes: &[u8], page_size: usize) -> Input {
    let mut view = output(page_size, 0);
    view.write_bytes(bytes).unwrap();
    input(view)
}

fn is_end<T: std::fmt::Debug>(outcome: Result<T, ViewError>) -> bool {
    matches!(outcome, Err(ViewError::EndOfData))
}

/// Writes a million numbers over pages of a size and reads them.
fn integers(page_size: usize) {
    const COUNT: i32 = 1_000_000;
    let mut view = output(page_size, 0);
    for number in 0..COUNT {
        view.write_i32(number.wrapping_mul(-1_640_531_527)).unwrap();
    }
    let mut view = input(view);
    for number in 0..COUNT {
        assert_eq!(
            view.read_i32().unwrap(),
            number.wrapping_mul(-1_640_531_527)
        );
    }
    assert!(is_end(view.read_i32()));
}

/// A million numbers come back from pages that are a multiple of their size.
#[test]
fn c1_sequence_of_integers_with_aligned_buffers() {
    integers(2048);
}

/// A million numbers come back from pages of which they straddle most ends.
#[test]
fn c2_sequence_of_integers_with_unaligned_buffers() {
    integers(2047);
}

fn random_value(random: &mut Random) -> Value {
    let bits = random.bits();
    let length = random.below(70);
    match random.below(14) {
        0 => Value::Bool(bits & 1 == 1),
        1 => Value::U8(bits as u8),
        2 => Value::I8(bits as i8),
        3 => Value::U16(bits as u16),
        4 => Value::I16(bits as i16),
        5 => Value::I32(bits as i32),
        6 => Value::I64(bits.cast_signed()),
        7 => Value::F32(bits as u32),
        8 => Value::F64(bits),
        9 => Value::Bytes(random.bytes(length)),
        10 => Value::Text(
            (0..length)
                .map(|_| ['a', '\0', 'ü', '日', '😀'][random.below(5)])
                .collect(),
        ),
        11 => Value::Units((0..length).map(|_| random.bits() as u16).collect()),
        12 => Value::Line((0..length).map(|_| random.bits() as u8 | 0x20).collect()),
        _ => Value::Skip(length),
    }
}

/// The bytes that Java's `DataOutputStream` writes, and zeros where nothing is written; `None` where this test does not
/// know them by itself.
fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Bool(value) => Some(vec![u8::from(*value)]),
        Value::U8(value) => Some(value.to_be_bytes().to_vec()),
        Value::I8(value) => Some(value.to_be_bytes().to_vec()),
        Value::U16(value) => Some(value.to_be_bytes().to_vec()),
        Value::I16(value) => Some(value.to_be_bytes().to_vec()),
        Value::I32(value) => Some(value.to_be_bytes().to_vec()),
        Value::I64(value) => Some(value.to_be_bytes().to_vec()),
        Value::F32(bits) => Some(bits.to_be_bytes().to_vec()),
        Value::F64(bits) => Some(bits.to_be_bytes().to_vec()),
        Value::Bytes(bytes) => Some(bytes.clone()),
        Value::Line(bytes) => Some([&bytes[..], b"\n"].concat()),
        Value::Skip(length) => Some(vec![0; *length]),
        Value::Text(_) | Value::Units(_) => None,
    }
}

/// A hundred thousand values of all types come back from pages of 57 bytes.
#[test]
fn c3_random_types() {
    let mut random = Random::new(3);
    let values: Vec<_> = (0..100_000).map(|_| random_value(&mut random)).collect();
    let mut view = output(57, 0);
    for value in &values {
        value.write(&mut view).unwrap();
    }
    let mut view = input(view);
    for value in &values {
        assert_eq!(value.read(&mut view).unwrap(), *value);
    }
    assert!(is_end(view.read_u8()));
}

/// A page that is read to its end is still the current one.
#[test]
fn c4_read_fully() {
    let bytes = Random::new(4).bytes(100);
    let mut view = input_of(&bytes, 100);
    let mut read = [0; 100];
    view.read_fully(&mut read).unwrap();
    assert_eq!(read[..], bytes);
    assert_eq!((view.position(), view.limit()), (100, 100));
}

/// Filling an array goes over as many pages as it takes.
#[test]
fn c5_read_fully_across_segments() {
    let bytes = Random::new(5).bytes(100);
    let mut view = input_of(&bytes, 30);
    let mut read = [0; 100];
    view.read_fully(&mut read).unwrap();
    assert_eq!(read[..], bytes);
    assert_eq!((view.position(), view.limit()), (10, 10));
}

/// Reading gets what there is when that is less than the array takes.
#[test]
fn c6_read_across_segments() {
    let bytes = Random::new(6).bytes(75);
    let mut view = input_of(&bytes, 30);
    let mut read = [0; 100];
    assert_eq!(view.read_bytes(&mut read).unwrap(), Some(75));
    assert_eq!(read[..75], bytes);
    assert_eq!(read[75..], [0; 25]);
    assert_eq!(view.position(), 15);
}

/// At the end of the data reading says so, again and again, and stays where it is.
#[test]
fn c7_emptying_input_view() {
    let mut view = input_of(&[1; 75], 30);
    let mut read = [0; 100];
    assert_eq!(view.read_bytes(&mut read).unwrap(), Some(75));
    for _ in 0..2 {
        assert_eq!(view.read_bytes(&mut read).unwrap(), None);
        assert_eq!(view.position(), 15);
    }
    assert_eq!(
        view.read_bytes(&mut []).unwrap(),
        Some(0),
        "nothing can always be read"
    );
    assert_eq!(Read::read(&mut view, &mut read).unwrap(), 0);
}

/// Filling an array with more than there is fails, and nothing is left to be read then.
#[test]
fn c8_read_fully_with_not_enough_data() {
    let mut view = input_of(&[1; 99], 30);
    assert!(is_end(view.read_fully(&mut [0; 100])));
    assert_eq!(view.read_bytes(&mut [0; 100]).unwrap(), None);
    assert_eq!(view.position(), 9);
}

/// A part of an array is filled, and the rest of it stays.
#[test]
fn c9_read_fully_with_offset() {
    let bytes = Random::new(9).bytes(100);
    let mut view = input_of(&bytes, 30);
    let mut read = [0; 200];
    view.read_fully(&mut read[100..]).unwrap();
    assert_eq!(read[..100], [0; 100]);
    assert_eq!(read[100..], bytes);
}

/// Nothing is read of nothing.
#[test]
fn c10_read_fully_empty_view() {
    let mut view = input_of(&[], 30);
    assert!(is_end(view.read_fully(&mut [0; 100])));
    assert!(is_end(view.read_u8()));
    let mut view = PagedInput::new(PageList::<MemorySegment>::new(Vec::new()), 8).unwrap();
    assert!(is_end(view.read_i64()), "not even a page");
}

/// Without a further page, what fits is written and the rest refused; afterwards nothing is.
#[test]
fn writing_ends_where_the_pages_end() {
    let mut view = output_of(10, 4, 2);
    view.write_i64(1).unwrap();
    assert!(matches!(view.write_i64(2), Err(ViewError::NoPage)));
    assert_eq!(view.position(), 10);
    assert!(matches!(view.write_bool(true), Err(ViewError::NoPage)));
    let mut view = input(view);
    assert_eq!(view.read_i64().unwrap(), 1);
    assert_eq!(view.read_i32().unwrap(), 0, "the half that fitted");
    assert!(is_end(view.read_u8()));
    assert!(matches!(
        CollectedPages::new(|| None::<MemorySegment>),
        Err(ViewError::NoPage)
    ));
}

/// A page with no room behind its header is refused instead of being passed over for ever.
#[test]
fn pages_without_room_are_refused() {
    let supply = || MemorySegment::allocate_heap(8).ok();
    let sink = CollectedPages::new(supply).unwrap();
    assert!(matches!(
        PagedOutput::new(sink, 8),
        Err(ViewError::PageTooSmall {
            size: 8,
            header_length: 8
        })
    ));
    let page = FilledPage {
        page: vec![0_u8; 20],
        used: 7,
    };
    let mut view = PagedInput::new(PageList::new(vec![page]), 8).unwrap();
    assert!(matches!(
        view.read_u8(),
        Err(ViewError::PageTooSmall {
            size: 7,
            header_length: 8
        })
    ));
}

/// A page whose memory was taken away is neither written, nor read, nor passed over.
#[test]
fn freed_pages_are_told() {
    struct One(MemorySegment);
    impl PageSink for One {
        fn page(&mut self) -> &mut [u8] {
            self.0.as_mut()
        }
        fn next_page(&mut self, _: usize) -> Result<(), ViewError> {
            panic!("the page was passed over")
        }
    }
    impl PageSource for One {
        fn page(&self) -> &[u8] {
            self.0.as_ref()
        }
        fn next_page(&mut self) -> Result<bool, ViewError> {
            panic!("the page was passed over")
        }
    }
    for header_length in [0, 4] {
        let page = || One(MemorySegment::allocate_heap(64).unwrap());
        let mut output = PagedOutput::new(page(), header_length).unwrap();
        output.sink_mut().0.free();
        assert!(matches!(output.write_u8(1), Err(ViewError::Freed)));
        assert!(matches!(
            output.write_bytes(&[1; 70]),
            Err(ViewError::Freed)
        ));
        assert!(matches!(output.skip(1), Err(ViewError::Freed)));
        let mut input = PagedInput::new(page(), header_length).unwrap();
        input.source_mut().0.free();
        assert!(matches!(input.read_u8(), Err(ViewError::Freed)));
        assert!(matches!(
            input.read_bytes(&mut [0; 70]),
            Err(ViewError::Freed)
        ));
        assert!(matches!(input.read_bytes(&mut []), Err(ViewError::Freed)));
        assert!(matches!(input.skip(1), Err(ViewError::Freed)));
        assert!(matches!(input.read_line(), Err(ViewError::Freed)));
    }
}

/// Lines end at a line feed, without their carriage returns; the last needs no line feed.
#[test]
fn lines_are_read_across_pages() {
    let mut view = input_of(b"first\r\n\n\xe9nd\rx", 3);
    assert_eq!(view.read_line().unwrap().as_deref(), Some("first"));
    assert_eq!(view.read_line().unwrap().as_deref(), Some(""));
    assert_eq!(
        view.read_line().unwrap().as_deref(),
        Some("éndx"),
        "a byte is a character"
    );
    assert_eq!(view.read_line().unwrap(), None);
    assert_eq!(input_of(b"\n", 3).read_line().unwrap().as_deref(), Some(""));
}

/// Skipping goes over pages on both sides; the reader is told how far it came.
#[test]
fn bytes_are_skipped_across_pages() {
    let mut view = output(10, 2);
    view.write_u8(1).unwrap();
    view.skip(20).unwrap();
    view.write_u8(2).unwrap();
    assert_eq!(view.position(), 2 + (1 + 20 + 1) % 8);
    let mut view = input(view);
    assert_eq!(view.read_u8().unwrap(), 1);
    view.skip_fully(20).unwrap();
    assert_eq!(view.read_u8().unwrap(), 2);
    assert_eq!(view.skip(5).unwrap(), 0);
    assert!(is_end(view.skip_fully(1)));
    view.skip_fully(0).unwrap();
    let mut view = input_of(&[7; 25], 10);
    assert_eq!(view.skip(100).unwrap(), 25);
}

/// A boolean is true when it is 1 and not when it is anything else.
#[test]
fn only_the_byte_1_is_true() {
    let mut view = input_of(&[0, 1, 2, 255], 10);
    let read: Vec<_> = (0..4).map(|_| view.read_bool().unwrap()).collect();
    assert_eq!(read, [false, true, false, false]);
}

/// A text of more than 65 535 bytes is refused before anything is written; of as many it is not.
#[test]
fn texts_are_as_long_as_their_length_can_tell() {
    let mut view = output(100, 0);
    for text in ["x".repeat(65_536), "\0".repeat(32_768), "😀".repeat(10_923)] {
        let error = view.write_utf(&text).unwrap_err();
        assert!(
            matches!(
                error,
                ViewError::UtfTooLong {
                    encoded_bytes: 65_536..
                }
            ),
            "{error}"
        );
    }
    assert_eq!(view.position(), 0);
    let longest = ["x".repeat(65_535), "\0".repeat(32_767)];
    for text in &longest {
        view.write_utf(text).unwrap();
    }
    let mut view = input(view);
    for text in &longest {
        assert_eq!(view.read_utf().unwrap(), *text);
    }
}

/// What one view holds is copied to another, and a view is a stream of Rust's own.
#[test]
fn views_are_streams() {
    let bytes = Random::new(1).bytes(1000);
    let mut source = input_of(&bytes, 33);
    let mut target = output(57, 5);
    target.write_from(&mut source, 600).unwrap();
    std::io::copy(&mut source, &mut target).unwrap();
    target.flush().unwrap();
    let error = target.write_from(&mut source, 1).unwrap_err();
    assert!(
        matches!(&error, ViewError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof),
        "{error}"
    );
    let mut read = Vec::new();
    input(target).read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);
}

/// Any place of any page can be gone to; a place that is none is refused and nothing changes.
#[test]
fn pages_are_read_from_any_place() {
    let mut view = output(12, 4);
    for number in 0..10 {
        view.write_i32(number).unwrap();
    }
    let mut view = input(view);
    for (page, position, number) in [(3, 8, 7), (0, 4, 0), (4, 4, 8), (1, 12, 4)] {
        view.seek_to(page, position).unwrap();
        assert_eq!(view.read_i32().unwrap(), number);
    }
    view.seek_to(2, 8).unwrap();
    for (page, position) in [(1, 3), (1, 13), (1, usize::MAX), (5, 4)] {
        assert!(view.seek_to(page, position).is_err());
    }
    assert_eq!(view.read_i32().unwrap(), 5);
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    let value = any::<u64>().prop_map(|seed| random_value(&mut Random::new(seed)));
    prop::collection::vec(value, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is written comes back from pages of whatever size, in Java's bytes, without padding, and the headers are
    /// left alone.
    #[test]
    fn whatever_is_written_comes_back(values in values(), room in 1_usize..80, header_length in 0_usize..20) {
        let mut view = output(room + header_length, header_length);
        for value in &values {
            value.write(&mut view).unwrap();
        }
        let pages = view.into_pages();
        let (last, full) = pages.split_last().unwrap();
        for page in full {
            prop_assert_eq!(page.used, room + header_length);
        }
        prop_assert!(values.is_empty() || last.used >= header_length);
        let mut data = Vec::new();
        for page in &pages {
            prop_assert!(page.page.as_ref()[..header_length].iter().all(|byte| *byte == 0));
            data.extend_from_slice(&page.page.as_ref()[header_length..page.used]);
        }
        if let Some(bytes) = values.iter().map(bytes_of).collect::<Option<Vec<_>>>() {
            prop_assert_eq!(data, bytes.concat());
        }
        let mut view = PagedInput::new(PageList::new(pages), header_length).unwrap();
        for value in &values {
            prop_assert_eq!(&value.read(&mut view).unwrap(), value);
        }
        prop_assert!(is_end(view.read_u8()));
    }

    /// Reading anything from any bytes gives a value or an error.
    #[test]
    fn reading_any_bytes_gives_a_value_or_an_error(
        pages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0_usize..50), 0..6),
        header_length in 0_usize..10,
        reads in values(),
    ) {
        let data: usize = pages.iter().map(|(page, used)| page.len().min(*used)).sum();
        let pages = pages
            .into_iter()
            .map(|(page, used)| FilledPage { page, used })
            .collect();
        let mut view = PagedInput::new(PageList::new(pages), header_length).unwrap();
        let mut read = 0;
        for value in reads {
            if let Ok(Value::Bytes(bytes)) = value.read(&mut view) {
                read += bytes.len();
            }
        }
        if let Ok(Some(line)) = view.read_line() {
            read += line.chars().count();
        }
        prop_assert!(read <= data);
    }
}
