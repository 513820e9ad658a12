//! What is generated out of a dictionary compiles, and reads and writes what it says.

use fixwire::fix::dictionary::{Wanted, WantedTemplate, generate, read_xml};
use fixwire::fix::encode::TemplateError;
use fixwire::fix::timestamp::Formatter;
use fixwire::fix::{Decimal, Decoder, Encoder, FieldError};
use fixwire::time::UtcTime;

/// As `fixwire dictionary generate` writes it.
#[allow(dead_code, unreachable_pub)]
#[path = "generated/orders.rs"]
#[rustfmt::skip]
mod orders;

use orders::{Fill, NewOrderSingle, OrdType, Order, Side};

const XML: &str = include_str!("generated/orders.xml");
const RUST: &str = include_str!("generated/orders.rs");

fn wanted() -> Wanted {
    let slots = ["ClOrdID", "OrderQty", "Price", "Side", "TransactTime"].map(String::from).to_vec();
    Wanted {
        messages: ["NewOrderSingle", "Fill"].map(String::from).to_vec(),
        templates: vec![WantedTemplate {
            name: "Order".into(),
            message: "NewOrderSingle".into(),
            slots,
        }],
    }
}

#[test]
fn what_is_compiled_here_is_what_is_generated() {
    let generated = generate(&read_xml("orders.xml", XML).unwrap(), &wanted()).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/orders.rs");
    if std::env::var_os("FIXWIRE_BLESS").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    assert!(generated == RUST, "tests/generated/orders.rs is old: FIXWIRE_BLESS=1 writes it");
}

#[test]
fn names_that_are_not_there_are_refused() {
    let spec = read_xml("orders.xml", XML).unwrap();
    let template = |name: &str, message: &str, slot: &str| Wanted {
        messages: vec![],
        templates: vec![WantedTemplate {
            name: name.into(),
            message: message.into(),
            slots: vec![slot.into()],
        }],
    };
    let table = [
        (Wanted { messages: vec!["Order".into()], templates: vec![] }, "no message \"Order\""),
        (template("Order", "NewOrder", "ClOrdID"), "no message \"NewOrder\""),
        (template("Order", "NewOrderSingle", "ClOrdId"), "no plain field \"ClOrdId\""),
        (template("Order", "NewOrderSingle", "NoPartyIDs"), "no plain field \"NoPartyIDs\""),
        (template("an order", "NewOrderSingle", "ClOrdID"), "no name of a type"),
    ];
    for (wanted, said) in table {
        let error = generate(&spec, &wanted).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

/// A message of this body, `|` for SOH.
fn sealed(body: &str) -> Vec<u8> {
    let body = body.replace('|', "\x01");
    let mut message = format!("8=FIX.4.4\x019={}\x01{body}", body.len()).into_bytes();
    let sum = message.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    message.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    message
}

#[test]
fn fields_are_read_by_their_types() {
    let bytes = sealed(
        "35=D|34=7|11=a|453=2|448=X|452=3|802=2|523=p|523=q|448=Y|38=100|40=2|44=10.25|54=5|55=ESZ6|\
         60=20260102-03:04:05.678|1091=Y|",
    );
    let mut decoder = Decoder::default();
    let message = decoder.parse(&bytes).unwrap();
    assert!(Fill::of(&message).is_none());
    let order = NewOrderSingle::of(&message).unwrap();
    assert_eq!(order.message().msg_seq_num(), Ok(7));
    assert_eq!((order.account(), order.cl_ord_id()), (Ok(None), Ok(&b"a"[..])));
    assert_eq!(order.order_qty(), Ok(Decimal::new(100, 0)));
    assert_eq!(order.price(), Ok(Some(Decimal::new(1025, -2))));
    assert_eq!((order.side(), order.ord_type()), (Ok(Side::SellShort), Ok(OrdType::Limit)));
    assert_eq!(order.transact_time().unwrap().as_unix_ns(), 1_767_323_045_678_000_000);
    assert_eq!((order.handl_inst(), order.pre_trade_anonymity()), (Ok(None), Ok(Some(true))));
    let parties: Vec<_> = order.no_party_ids().unwrap().collect();
    let read = |at: usize| {
        let subs = parties[at].no_party_sub_ids().unwrap().map(|sub| sub.party_sub_id().unwrap());
        (
            parties[at].party_id().unwrap(),
            parties[at].party_role().unwrap(),
            subs.collect::<Vec<_>>(),
        )
    };
    assert_eq!(parties.len(), 2);
    assert_eq!(read(0), (&b"X"[..], Some(3), vec![&b"p"[..], b"q"]));
    assert_eq!(read(1), (&b"Y"[..], None, vec![]));
}

#[test]
fn entries_of_a_group_are_read_over_what_the_dictionary_does_not_have() {
    let mut decoder = Decoder::default();
    let mut roles = |parties: &str| -> Result<Vec<Option<i64>>, FieldError> {
        let bytes = sealed(&format!("35=D|34=7|11=a|{parties}38=100|40=2|54=5|55=ESZ6|"));
        let message = decoder.parse(&bytes).unwrap();
        let order = NewOrderSingle::of(&message).unwrap();
        let parties = order.no_party_ids()?;
        Ok(parties.map(|party| party.party_role().unwrap()).collect())
    };
    for (parties, expected) in [
        ("453=2|448=X|9999=z|452=1|448=Y|452=3|", Ok(vec![Some(1), Some(3)])),
        ("453=2|448=X|452=1|448=Y|998=z|452=3|", Ok(vec![Some(1), Some(3)])),
        ("453=2|448=X|452=1|", Err(FieldError::Format)),
        ("453=1|448=X|452=1|448=Y|452=3|", Err(FieldError::Format)),
    ] {
        assert_eq!(roles(parties), expected, "{parties}");
    }
}

#[test]
fn what_is_wrong_with_a_field_is_said_of_it_alone() {
    let bytes = sealed("35=U1|34=7|31=x|32=5|5001=-2|354=3|355=a\x01b|");
    let mut decoder = Decoder::default();
    let message = decoder.parse(&bytes).unwrap();
    let fill = Fill::of(&message).unwrap();
    assert_eq!(
        (fill.cl_ord_id(), fill.last_px()),
        (Err(FieldError::Missing), Err(FieldError::Format))
    );
    assert_eq!((fill.last_qty(), fill.trade_days()), (Ok(Decimal::new(5, 0)), Ok(Some(-2))));
    assert_eq!(fill.encoded_text(), Ok(Some(&b"a\x01b"[..])));
    let bytes = sealed("35=D|34=7|11=a|54=9|");
    let message = decoder.parse(&bytes).unwrap();
    assert_eq!(NewOrderSingle::of(&message).unwrap().side(), Err(FieldError::Range));
}

#[test]
fn a_template_puts_its_slots_where_the_dictionary_has_them() {
    let fixed = [(55, "ESZ6"), (40, "2"), (1, "DESK1"), (21, "1")];
    let order = Order::new(&fixed).unwrap();
    let (mut slot, mut formatter) = ([0; 512], Formatter::default());
    let mut encoder = Encoder::begin(&mut slot, &mut formatter, "FIX.4.4", Order::MSG_TYPE);
    encoder.put_u32(34, 7);
    let at = UtcTime::from_unix_ns(1_767_323_045_678_000_000);
    let (qty, price) = (Decimal::new(100, 0), Decimal::new(1025, -2));
    order.put(&mut encoder, b"id-1", qty, price, Side::Sell, at);
    let len = encoder.finish().unwrap();
    let expected = sealed(
        "35=D|34=7|1=DESK1|11=id-1|21=1|38=100|40=2|44=10.25|54=2|55=ESZ6|60=20260102-03:04:05.678|",
    );
    assert_eq!(slot[..len].escape_ascii().to_string(), expected.escape_ascii().to_string());

    let table: [(&[(u32, &str)], TemplateError); 4] = [
        (&[(55, "ESZ6")], TemplateError::Missing(40)),
        (&[(55, "ESZ6"), (40, "2"), (44, "1")], TemplateError::NotOfMessage(44)),
        (&[(55, "ESZ6"), (40, "2"), (31, "1")], TemplateError::NotOfMessage(31)),
        (&[(55, "a|b"), (40, "2")], TemplateError::NotFields),
    ];
    for (fixed, why) in table {
        assert_eq!(Order::new(fixed).map(|_| ()), Err(why), "{fixed:?}");
    }
}
