//! Tests of `queue`.

use super::*;

async fn read(queue: &Queue, room: usize) -> io::Result<Vec<u8>> {
    let mut space = vec![0; room];
    let mut buf = ReadBuf::new(&mut space);
    poll_fn(|cx| queue.poll_read(cx, &mut buf)).await?;
    Ok(buf.filled().to_vec())
}

#[tokio::test]
async fn bytes_come_out_in_order_and_the_pusher_waits_at_the_limit() {
    let queue = Queue::new(Arc::default(), 4);
    queue.push(Bytes::from_static(b"abcdef")).await;
    let pusher = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move {
            queue.push(Bytes::from_static(b"gh")).await;
            queue.finish(Some("lost".into()));
        }
    });
    tokio::task::yield_now().await;
    assert!(!pusher.is_finished());
    assert_eq!(read(&queue, 3).await.expect("read"), b"abc");
    pusher.await.expect("pusher");
    assert_eq!(read(&queue, 9).await.expect("read"), b"def");
    assert_eq!(read(&queue, 9).await.expect("read"), b"gh");
    assert!(read(&queue, 9).await.is_err());
}

#[tokio::test]
async fn a_dropped_reader_stalls_nobody() {
    let queue = Queue::new(Arc::default(), 1);
    queue.push(Bytes::from_static(b"abc")).await;
    queue.drain();
    for _ in 0..100 {
        queue.push(Bytes::from_static(b"abc")).await;
    }
    queue.finish(None);
    assert_eq!(read(&queue, 9).await.expect("end"), b"");
}
