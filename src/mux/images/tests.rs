//! Images in streams that are cut anywhere, their sizes, and what becomes of them on a screen.

use super::*;
use crate::model::Size;
use crate::mux::Screen;

const CELL: Option<(u16, u16)> = Some((10, 20));

fn parts(stream: &[u8], cut: usize) -> Vec<Part> {
    let (one, two) = stream.split_at(cut);
    let (mut images, mut out) = (Images::default(), Vec::new());
    for bytes in [one, two] {
        images.feed(&Bytes::copy_from_slice(bytes), &mut out);
    }
    out
}

/// The text of a stream and its images, however it is cut.
fn all(stream: &[u8]) -> (String, Vec<Image>, usize) {
    let read = |cut| {
        let (mut text, mut images, mut others) = (Vec::new(), Vec::new(), 0);
        for part in parts(stream, cut) {
            match part {
                Part::Bytes(bytes) => text.extend_from_slice(&bytes),
                Part::Image(image) => images.push(image),
                Part::Unknown | Part::RemoveAll => others += 1,
            }
        }
        (String::from_utf8_lossy(&text).into_owned(), images, others)
    };
    let whole = read(0);
    for cut in 1..=stream.len() {
        assert_eq!(read(cut), whole, "cut at {cut}");
    }
    whole
}

#[test]
fn sixels_are_measured_and_sent_with_their_size() {
    let (text, images, others) =
        all(b"a\x1b[1mb\x1bP0;1q\"1;1;20;6#0;2;0;0;0#0!30~-!5?\x1b\\c\x1bP$qm\x1b\\");
    assert_eq!((text.as_str(), others), ("a\x1b[1mbc\x1bP$qm\x1b\\", 0));
    let [image] = &images[..] else {
        panic!("{images:?}");
    };
    assert_eq!(image.cells(CELL, (80, 24)), Some((3, 1)));
    assert_eq!(image.cells(None, (80, 24)), None);
    assert_eq!(
        image.draw(1, (3, 1)),
        b"\x1bP7;1;0q\"1;1;30;12#0;2;0;0;0#0!30~-!5?\x1b\\"
    );
    // One that is cut off by another sequence, or draws nothing, is no image.
    let (text, images, others) = all(b"\x1bPq~~\x1b[mx\x1bPq\x1b\\");
    assert_eq!((text.as_str(), images.len(), others), ("\x1b[mx", 0, 1));
}

fn png(w: u32, h: u32) -> String {
    use base64::Engine as _;
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    file.extend_from_slice(&w.to_be_bytes());
    file.extend_from_slice(&h.to_be_bytes());
    base64::engine::general_purpose::STANDARD.encode(file)
}

#[test]
fn iterms_files_are_shown_and_never_stored() {
    let png = png(200, 100);
    for (says, expected) in [
        ("inline=1", (20, 5)),
        ("inline=1;width=10", (10, 3)),
        ("inline=1;height=60px", (12, 3)),
        ("inline=1;width=50%", (40, 10)),
        ("inline=1;width=3;height=4", (3, 4)),
        ("inline=1;width=10;preserveAspectRatio=0", (10, 5)),
    ] {
        let (text, images, _) = all(format!("x\x1b]1337;File={says}:{png}\x07y").as_bytes());
        assert_eq!(text, "xy");
        assert_eq!(images[0].cells(CELL, (80, 24)), Some(expected), "{says}");
    }
    let parts = format!(
        "\x1b]1337;MultipartFile=inline=1\x07\x1b]1337;FilePart={}\x07\x1b]1337;FilePart={}\x07\x1b]1337;FileEnd\x07",
        &png[..8],
        &png[8..]
    );
    let (_, images, _) = all(parts.as_bytes());
    assert_eq!(images[0].cells(CELL, (80, 24)), Some((20, 5)));
    let drawn = String::from_utf8(images[0].draw(1, (20, 5))).expect("text");
    assert_eq!(
        drawn,
        format!(
            "\x1b]1337;File=inline=1;width=20;height=5;preserveAspectRatio=1;doNotMoveCursor=1:{png}\x07"
        )
    );
    // A file to be downloaded, data that is none, others of its commands.
    let (text, images, others) = all(format!(
        "\x1b]1337;File=name=eA==:{png}\x07\x1b]1337;File=inline=1:;\x07\x1b]1337;CursorShape=1\x07"
    )
    .as_bytes());
    assert_eq!((images.len(), others), (0, 1));
    assert_eq!(text, "\x1b]1337;CursorShape=1\x07");
}

#[test]
fn kittys_images_come_in_chunks_are_kept_and_shown() {
    let png = png(200, 100);
    let (one, two) = png.split_at(12);
    let stream = format!(
        "\x1b_Gf=100,a=T,m=1,q=2;{one}\x1b\\\x1b_Gm=0;{two}\x1b\\-\x1b_Ga=t,i=7,f=24,s=10,v=20,o=z;AAAA\x1b\\\x1b_Ga=p,i=7,c=4,r=2,C=1\x1b\\"
    );
    let (text, images, others) = all(stream.as_bytes());
    assert_eq!((text.as_str(), images.len(), others), ("-", 2, 0));
    assert_eq!(images[0].cells(CELL, (80, 24)), Some((20, 5)));
    assert_eq!(
        String::from_utf8(images[0].draw(9, (20, 5))).expect("text"),
        format!("\x1b_Ga=T,q=2,C=1,i=9,p=1,c=20,r=5,f=100,m=0;{png}\x1b\\")
    );
    assert_eq!(images[1].cells(CELL, (80, 24)), Some((4, 2)));
    assert!(images[1].stays);
    assert_eq!(
        images[1].draw(9, (4, 2)),
        b"\x1b_Ga=T,q=2,C=1,i=9,p=1,c=4,r=2,f=24,s=10,v=20,o=z,m=0;AAAA\x1b\\"
    );
    assert_eq!(images[1].remove(9), b"\x1b_Ga=d,d=I,i=9,q=2\x1b\\");
    // Files of the machine that the program runs on are not read on this one.
    let (_, images, others) = all(b"\x1b_Ga=T,t=f,f=100;L2V0Yy9wYXNzd2Q=\x1b\\\x1b_Ga=d\x1b\\");
    assert_eq!((images.len(), others), (0, 2));
}

#[test]
fn heads_of_files_tell_their_size() {
    assert_eq!(
        measure::header(b"GIF89a\x40\x01\xf0\0..."),
        Some((320, 240))
    );
    let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\xf0\x01\x40....";
    assert_eq!(measure::header(jpeg), Some((320, 240)));
    assert_eq!(measure::header(&jpeg[..14]), None);
    assert_eq!(measure::header(b"BM"), None);
}

#[test]
fn on_a_screen_an_image_is_scrolled_and_overwritten_as_text_is() {
    let mark = Mark(1);
    let mut screen = Screen::new(Size { cols: 20, rows: 6 }).keeping_scrolled();
    screen.feed(b"\x1b[31mtop\r\n  ");
    assert!(screen.place_image(mark, (12, 3), false, false));
    assert_eq!(screen.text()[1..4], ["  [image 12x3]", "", ""]);
    assert_eq!(
        (screen.find_image(mark, (12, 3)), screen.cursor()),
        (Some((2, 1)), (3, 2))
    );
    // No terminal gets to see the marks.
    assert!(!String::from_utf8_lossy(&screen.repaint()).contains("remote-image"));
    screen.feed(b"\r\none\r\ntwo\r\nthree");
    assert_eq!(screen.find_image(mark, (12, 3)), Some((2, 0)));
    screen.feed(b"\x1b[s\x1b[2;5HX\x1b[u");
    assert_eq!(screen.find_image(mark, (12, 3)), None);
    screen.remove_images();
    assert_eq!(screen.text()[..2], ["", "    X"]);
    // At the lower edge the screen scrolls; the pen is as it was.
    screen.feed(b"\x1b[6;1H");
    screen.place_image(Mark(2), (4, 2), true, true);
    assert_eq!(
        (screen.find_image(Mark(2), (4, 2)), screen.cursor()),
        (Some((0, 4)), (4, 0))
    );
    // One that has no room is never whole.
    screen.feed(b"\x1b[1;15H");
    assert!(!screen.place_image(Mark(3), (9, 2), false, false));
    assert!(!screen.place_image(Mark(4), (2, 7), false, false));
    assert_eq!(screen.find_image(Mark(3), (9, 2)), None);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// Whatever comes, nothing fails, and what is no image is lost nowhere.
    #[test]
    fn nothing_fails_on_any_stream(
        pieces in proptest::collection::vec("\x1bP[0-9;]{0,4}q|[\"!#$~?0-9;-]{0,9}|\x1b\\\\|\x1b_G|a=[Ttpd],i=[0-9]|,[fmcrsvhw]=[0-9]{0,6}|;[A-Z]{0,4}|\x1b]1337;(File|FilePart|MultipartFile)=|inline=1|;(width|height)=[0-9]{0,6}(px|%)?|:[A-Za-z0-9]{0,8}|\x07|\x1b]1337;FileEnd\x07|\x1b|text", 0..20),
        cols in 1u16..12, rows in 1u16..6, cut in 0usize..100,
    ) {
        let stream = pieces.concat().into_bytes();
        let found = parts(&stream, cut.min(stream.len()));
        let mut screen = Screen::new(Size { cols, rows });
        for (n, part) in (0..).zip(found) {
            match part {
                Part::Bytes(bytes) => screen.feed(&bytes),
                Part::Image(image) => {
                    if let Some(cells) = image.cells(CELL, (cols, rows)) {
                        let whole = screen.place_image(Mark(n), cells, n % 2 == 0, image.stays);
                        proptest::prop_assert!(!whole || screen.find_image(Mark(n), cells).is_some());
                    }
                    image.draw(n, (1, 1));
                }
                Part::Unknown => {}
                Part::RemoveAll => screen.remove_images(),
            }
        }
        proptest::prop_assert_eq!(screen.poisoned(), 0);
    }
}
