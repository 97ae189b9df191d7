//! Spill files of pages, and records that span buffers.

use std::io;

use headroom::pool::segment::MemorySegment;
use headroom::pool::view::{
    NoSpilling, PageSource, PagedInput, PagedOutput, Record, SPILL_HEADER_BYTES,
    SpanningDeserializer, SpanningError, SpillHeader, SpillSink, SpillSource, SpillTarget,
    ViewError,
};
use proptest::prelude::*;

use crate::random::Random;

/// A spill file of these bytes, in pages of this size.
fn spilled(bytes: &[u8], page_size: usize) -> Vec<u8> {
    let page = MemorySegment::allocate_unsafe(page_size).unwrap();
    let mut view = PagedOutput::new(SpillSink::new(page, Vec::new()), SPILL_HEADER_BYTES).unwrap();
    view.write_bytes(bytes).unwrap();
    let (_, file) = view.close().unwrap();
    file
}

fn unspilled(file: &[u8], page_size: usize) -> PagedInput<SpillSource<MemorySegment, &[u8]>> {
    let page = MemorySegment::allocate_heap(page_size).unwrap();
    PagedInput::new(SpillSource::new(page, file), SPILL_HEADER_BYTES).unwrap()
}

/// A spill file has whole pages, each of which tells its use, and the last of which says so.
#[test]
fn a_spill_file_comes_back() {
    let bytes = Random::new(1).bytes(250);
    let mut file = spilled(&bytes, 100);
    assert_eq!(file.len(), 300);
    let headers: Vec<_> = file
        .chunks(100)
        .map(|page| SpillHeader::of_page(page).unwrap())
        .collect();
    assert_eq!(
        headers,
        [(false, 100), (false, 100), (true, 74)]
            .map(|(is_last, used)| SpillHeader { is_last, used })
    );
    assert_eq!(file[..2], 0xc0fe_u16.to_ne_bytes());
    assert_eq!(file[202..204], 1_u16.to_ne_bytes());
    // What follows the last page belongs to somebody else.
    file.extend([0; 100]);
    let mut read = vec![0; 250];
    let mut view = unspilled(&file, 100);
    view.read_fully(&mut read).unwrap();
    assert_eq!(read, bytes);
    assert_eq!(view.read_bytes(&mut read).unwrap(), None);

    let empty = spilled(&[], 100);
    assert_eq!(empty.len(), 100);
    assert_eq!(unspilled(&empty, 100).read_bytes(&mut read).unwrap(), None);
}

/// A file that ends too early, and pages that do not begin as such, are refused.
#[test]
fn what_is_no_spill_file_is_refused() {
    let file = spilled(&[7; 250], 100);
    let mut view = unspilled(&file[..250], 100);
    assert!(matches!(
        view.read_fully(&mut [0; 250]),
        Err(ViewError::Io(_))
    ));
    assert!(view.read_u8().is_err(), "and stays so");

    for (at, value, reason) in [
        (0, 0, "the magic number is wrong"),
        (4, 101, "the used bytes are not inside the page"),
        (4, 7, "the used bytes are not inside the page"),
        (7, 0xff, "the used bytes are not inside the page"),
    ] {
        let mut wrong = file.clone();
        wrong[at] = value;
        let error = unspilled(&wrong, 100).read_u8().unwrap_err();
        assert!(error.to_string().ends_with(reason), "{error}");
    }
    assert!(SpillHeader::of_page(&file[..7]).is_err());
}

/// Records behind their lengths.
fn framed(records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend(i32::try_from(record.len()).unwrap().to_be_bytes());
        bytes.extend(record);
    }
    bytes
}

/// Where a test's large records go.
#[derive(Debug, Default, PartialEq, Eq)]
struct Spilled(Vec<u8>);

impl SpillTarget for Spilled {
    fn begin(&mut self, _: usize) -> io::Result<()> {
        self.0.clear();
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Takes bytes apart that come in buffers of these sizes, in turn.
fn unframed(bytes: &[u8], sizes: &[usize], spill_above: usize) -> Vec<Vec<u8>> {
    let mut deserializer =
        SpanningDeserializer::with_spilling(usize::MAX, Spilled::default(), spill_above);
    let mut records = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let (mut buffer, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        rest = later;
        while let Some(record) = deserializer.next_record(&mut buffer).unwrap() {
            records.push(match record {
                Record::Bytes(bytes) => bytes.to_vec(),
                Record::Spilled {
                    target,
                    record_bytes,
                } => {
                    assert_eq!(target.0.len(), record_bytes);
                    assert!(record_bytes > spill_above);
                    target.0.clone()
                }
            });
        }
        assert!(buffer.is_empty());
    }
    assert!(!deserializer.has_unfinished_data());
    records
}

/// A record that lies in one buffer is that part of the buffer; none is copied.
#[test]
fn a_record_in_one_buffer_is_not_copied() {
    let bytes = framed(&[vec![1; 64], vec![], vec![3; 5]]);
    let mut deserializer = SpanningDeserializer::new(64);
    let mut buffer = bytes.as_slice();
    for (at, length) in [(4, 64), (72, 0), (76, 5)] {
        let Ok(Some(Record::Bytes(record))) = deserializer.next_record(&mut buffer) else {
            panic!("no record");
        };
        assert_eq!(
            (record.as_ptr(), record.len()),
            (bytes[at..].as_ptr(), length)
        );
    }
    assert!(buffer.is_empty() && !deserializer.has_unfinished_data());
    assert!(deserializer.next_record(&mut buffer).unwrap().is_none());
}

/// A length that is cut between buffers is put together, and so is the record behind it.
#[test]
fn lengths_and_records_are_put_together() {
    let records = [vec![9; 300], vec![], vec![8; 3]];
    let bytes = framed(&records);
    for size in 1..=12 {
        assert_eq!(
            unframed(&bytes, &[size], usize::MAX),
            records,
            "buffers of {size}"
        );
    }
    let mut deserializer = SpanningDeserializer::new(300);
    for byte in &bytes[..6] {
        assert!(
            deserializer
                .next_record(&mut &[*byte][..])
                .unwrap()
                .is_none()
        );
        assert!(deserializer.has_unfinished_data());
    }
    deserializer.clear();
    assert!(!deserializer.has_unfinished_data());
    let whole = framed(&[vec![5; 3]]);
    let record = deserializer.next_record(&mut &whole[..]).unwrap();
    assert_eq!(record, Some(Record::<NoSpilling>::Bytes(&[5; 3])));
}

/// A large record that spans buffers goes to the target, a large one in one buffer and a small one do not.
#[test]
fn large_spanning_records_go_to_the_target() {
    let bytes = framed(&[vec![1; 100], vec![2; 10], vec![3; 100]]);
    let mut deserializer = SpanningDeserializer::with_spilling(1000, Spilled::default(), 99);
    let (first, second) = bytes.split_at(150);
    let mut buffer = first;
    assert_eq!(
        deserializer.next_record(&mut buffer).unwrap(),
        Some(Record::Bytes(&[1; 100]))
    );
    assert_eq!(
        deserializer.next_record(&mut buffer).unwrap(),
        Some(Record::Bytes(&[2; 10]))
    );
    assert_eq!(deserializer.next_record(&mut buffer).unwrap(), None);
    buffer = second;
    assert_eq!(
        deserializer.next_record(&mut buffer).unwrap(),
        Some(Record::Spilled {
            target: &mut Spilled(vec![3; 100]),
            record_bytes: 100
        })
    );
    assert!(buffer.is_empty());
}

/// A wrong length is an error that comes again, wherever the length was cut, and promises cost no memory.
#[test]
fn wrong_lengths_are_refused() {
    for cut in 0..4 {
        for (length, text) in [
            (-1, "a record cannot have -1 bytes"),
            (
                1001,
                "a record of 1001 bytes is longer than the 1000 bytes that are allowed",
            ),
        ] {
            let bytes: [u8; 4] = i32::to_be_bytes(length);
            let mut deserializer = SpanningDeserializer::new(1000);
            assert!(
                deserializer
                    .next_record(&mut &bytes[..cut])
                    .unwrap()
                    .is_none()
            );
            let mut buffer = &bytes[cut..];
            for _ in 0..2 {
                let error = deserializer.next_record(&mut buffer).unwrap_err();
                assert_eq!(error.to_string(), text);
            }
            deserializer.clear();
            let mut buffer = &[0, 0, 0, 0][..];
            assert!(deserializer.next_record(&mut buffer).unwrap().is_some());
        }
    }
    let mut deserializer = SpanningDeserializer::new(usize::MAX);
    let promised = i32::MAX.to_be_bytes();
    assert!(
        deserializer
            .next_record(&mut &promised[..])
            .unwrap()
            .is_none()
    );
    assert!(deserializer.has_unfinished_data());
}

/// A target that fails is an error with the record's length.
#[test]
fn a_target_that_fails_is_told() {
    struct Full;
    impl SpillTarget for Full {
        fn begin(&mut self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn take(&mut self, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let bytes = framed(&[vec![1; 100]]);
    let mut deserializer = SpanningDeserializer::with_spilling(1000, Full, 10);
    let outcome = deserializer.next_record(&mut &bytes[..50]);
    assert!(matches!(
        outcome,
        Err(SpanningError::Spill {
            record_bytes: 100,
            ..
        })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However records are cut into buffers, the same come out.
    #[test]
    fn records_do_not_depend_on_the_buffers(
        lengths in prop::collection::vec(0_usize..200, 0..20),
        sizes in prop::collection::vec(1_usize..150, 1..6),
        spill_above in 0_usize..300,
    ) {
        let mut random = Random::new(2);
        let records: Vec<_> = lengths.iter().map(|length| random.bytes(*length)).collect();
        prop_assert_eq!(unframed(&framed(&records), &sizes, spill_above), records);
    }

    /// Any bytes in any buffers are records or an error, and never more bytes than came.
    #[test]
    fn any_bytes_are_records_or_an_error(
        buffers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8),
        bound in prop_oneof![0_usize..100, Just(usize::MAX)],
    ) {
        let came: usize = buffers.iter().map(Vec::len).sum();
        let mut deserializer = SpanningDeserializer::new(bound);
        let mut read = 0;
        'buffers: for buffer in &buffers {
            let mut rest = buffer.as_slice();
            loop {
                match deserializer.next_record(&mut rest) {
                    Ok(Some(Record::Bytes(bytes))) => {
                        prop_assert!(bytes.len() <= bound);
                        read += bytes.len() + 4;
                    }
                    Ok(Some(Record::Spilled { .. })) => prop_assert!(false, "nothing spills"),
                    Ok(None) => break,
                    Err(_) => break 'buffers,
                }
            }
            prop_assert!(rest.is_empty());
        }
        prop_assert!(read <= came);
    }

    /// Any bytes are a spill file or an error.
    #[test]
    fn any_bytes_are_a_spill_file_or_an_error(
        mut file in prop::collection::vec(any::<u8>(), 0..300),
        used in 0_u32..70,
        page_size in 1_usize..64,
    ) {
        // Without a header that could be one, hardly any would be looked at.
        for page in file.chunks_mut(page_size) {
            let header = SpillHeader { is_last: false, used }.to_bytes();
            let length = page.len().min(8);
            page[..length].copy_from_slice(&header[..length]);
        }
        let page = MemorySegment::allocate_heap(page_size).unwrap();
        let mut view = PagedInput::new(SpillSource::new(page, file.as_slice()), SPILL_HEADER_BYTES).unwrap();
        let mut read = 0;
        while view.read_u8().is_ok() {
            read += 1;
            prop_assert!(read <= file.len());
        }
        prop_assert!(view.source_mut().page().len() <= page_size);
    }
}
