//! Messages are read as they were written, and no bytes are too wild to be read.

use proptest::prelude::*;

use super::{
    Access, ClientMessage, Hello, Holding, MAX_MESSAGE_BYTES, MAX_SEGMENTS_PER_MESSAGE, OwnerWord,
    PoolMessage, WireError, put_message, take_message,
};

fn holdings() -> impl Strategy<Value = Vec<Holding>> {
    let holding = any::<(u32, u64)>().prop_map(|(segment, bits)| Holding {
        segment,
        word: OwnerWord::from_bits(bits),
    });
    prop::collection::vec(holding, 0..20)
}

fn client_messages() -> impl Strategy<Value = ClientMessage> {
    let access = prop_oneof![
        Just(Access::Direct),
        Just(Access::DirectWithBarriers),
        Just(Access::Asking)
    ];
    let hello = (access, any::<(u32, u32, u32, u16, u64)>(), "[a-zä€]{0,20}").prop_map(
        |(access, (version, required, maximum, number, lease), name)| Hello {
            version,
            access,
            required,
            maximum,
            number,
            lease,
            name,
        },
    );
    prop_oneof![
        hello.prop_map(ClientMessage::Hello),
        any::<(u32, u32, bool)>().prop_map(|(ticket, count, waits)| ClientMessage::Acquire {
            ticket,
            count,
            waits
        }),
        any::<u32>().prop_map(|ticket| ClientMessage::Cancel { ticket }),
        holdings().prop_map(ClientMessage::Release),
        ".{0,40}".prop_map(ClientMessage::Report),
    ]
}

fn pool_messages() -> impl Strategy<Value = PoolMessage> {
    prop_oneof![
        any::<(u32, u16, u64, bool, u64, u64)>().prop_map(
            |(version, number, lease, imposes, control_bytes, data_bytes)| {
                PoolMessage::Welcome {
                    version,
                    number,
                    lease,
                    imposes,
                    control_bytes,
                    data_bytes,
                }
            }
        ),
        (any::<u32>(), ".{0,40}")
            .prop_map(|(version, text)| PoolMessage::Refused { version, text }),
        (any::<u32>(), holdings())
            .prop_map(|(ticket, segments)| PoolMessage::Granted { ticket, segments }),
    ]
}

proptest! {
    /// Messages come out as they went in, however the stream cuts them.
    #[test]
    fn messages_are_read_as_they_were_written(
        messages in prop::collection::vec(client_messages(), 0..5),
        step in 1_usize..50,
    ) {
        let mut stream = Vec::new();
        for message in &messages {
            put_message(&mut stream, message);
        }
        let (mut buffer, mut read) = (Vec::new(), Vec::new());
        for part in stream.chunks(step) {
            buffer.extend_from_slice(part);
            while let Some(message) = take_message::<ClientMessage>(&mut buffer)? {
                read.push(message);
            }
        }
        prop_assert_eq!(read, messages);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn answers_are_read_as_they_were_written(message in pool_messages()) {
        let mut buffer = Vec::new();
        put_message(&mut buffer, &message);
        prop_assert_eq!(take_message(&mut buffer)?, Some(message));
    }

    /// Any bytes are a message, a part of one or an error.
    #[test]
    fn no_bytes_are_too_wild(
        kind in prop_oneof![0_u8..8, 127_u8..132, any::<u8>()],
        fields in prop::collection::vec(any::<u8>(), 0..60),
        length in prop::option::of(any::<u32>()),
    ) {
        let length = length.unwrap_or(fields.len() as u32 + 1);
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.extend(fields);
        let _ = take_message::<ClientMessage>(&mut bytes.clone());
        let _ = take_message::<PoolMessage>(&mut bytes);
    }
}

#[test]
fn lengths_are_bounded_before_they_are_believed() {
    let mut long = (MAX_MESSAGE_BYTES as u32 + 1).to_le_bytes().to_vec();
    let length = MAX_MESSAGE_BYTES + 1;
    let refused = take_message::<ClientMessage>(&mut long);
    assert_eq!(refused, Err(WireError::TooLong { length }));
    let mut many = vec![9, 0, 0, 0, 4];
    many.extend_from_slice(&u32::MAX.to_le_bytes());
    many.extend_from_slice(&[0; 4]);
    let refused = take_message::<ClientMessage>(&mut many);
    assert_eq!(refused, Err(WireError::Field { kind: 4 }));
    let most = 4 + 5 + 12 * MAX_SEGMENTS_PER_MESSAGE;
    assert!(most <= MAX_MESSAGE_BYTES);
}

#[test]
fn a_long_name_is_cut_between_characters() {
    let mut buffer = Vec::new();
    let text = "€".repeat(500);
    let message = ClientMessage::Report(text);
    put_message(&mut buffer, &message);
    let Ok(Some(ClientMessage::Report(read))) = take_message(&mut buffer) else {
        panic!("a report");
    };
    assert_eq!(read.len(), 1023);
}
