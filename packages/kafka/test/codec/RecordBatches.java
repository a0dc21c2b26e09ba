// Kafka's own Java client as the judge of our record batches: writes some, reads ours, and partitions keys.
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Random;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.MutableRecordBatch;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.Utils;
import org.xerial.snappy.Snappy;

public class RecordBatches {
    static final long BASE_TIME = 1_760_000_000_000L;
    static final HexFormat HEX = HexFormat.of();
    static final StringBuilder OUT = new StringBuilder();

    public static void main(String[] args) throws IOException {
        switch (args[0]) {
            case "write" -> new Writing(CompressionType.forName(args[1]), Long.parseLong(args[2])).to(Path.of(args[3]));
            case "read" -> read(System.in.readAllBytes());
            case "partition" -> partition(Integer.parseInt(args[1]));
            case "snappy" -> OUT.append(HEX.formatHex(Snappy.compress(System.in.readAllBytes())));
            default -> throw new IllegalArgumentException(args[0]);
        }
        System.out.print(OUT);
    }

    /** All that a topic may hold, in one compression. */
    static class Writing {
        final CompressionType type;
        final Random random;
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        long offset = 5_000_000_000L;

        Writing(CompressionType type, long seed) {
            this.type = type;
            this.random = new Random(seed);
        }

        void to(Path file) throws IOException {
            plain(1, 20);
            plain(300, 40);
            plain(40, 3_000);
            // Larger than a block of any of the compressions.
            plain(6, 400_000);
            incompressible();
            transactions();
            compacted();
            appendTime();
            Files.write(file, bytes.toByteArray());
        }

        MemoryRecordsBuilder batch(TimestampType timestamps, long producerId) {
            return MemoryRecords.builder(ByteBuffer.allocate(1 << 16), RecordBatch.MAGIC_VALUE_V2,
                Compression.of(type).build(), timestamps, offset, BASE_TIME + 999, producerId,
                (short) (producerId < 0 ? -1 : 3), producerId < 0 ? -1 : 0, producerId >= 0, 7);
        }

        void plain(int count, int most) {
            MemoryRecordsBuilder builder = batch(TimestampType.CREATE_TIME, RecordBatch.NO_PRODUCER_ID);
            for (int i = 0; i < count; i++) append(builder, text(most));
            close(builder, "committed");
        }

        void incompressible() {
            MemoryRecordsBuilder builder = batch(TimestampType.CREATE_TIME, RecordBatch.NO_PRODUCER_ID);
            byte[] noise = new byte[150_000];
            random.nextBytes(noise);
            append(builder, noise);
            close(builder, "committed");
        }

        /** One producer aborts, commits, aborts; another one is open all the while and commits. */
        void transactions() {
            transaction(41, "aborted");
            marker(41, ControlRecordType.ABORT);
            transaction(42, "committed");
            transaction(41, "committed");
            marker(41, ControlRecordType.COMMIT);
            transaction(41, "aborted");
            transaction(42, "committed");
            transaction(41, "aborted");
            marker(42, ControlRecordType.COMMIT);
            marker(41, ControlRecordType.ABORT);
            transaction(41, "committed");
            marker(41, ControlRecordType.COMMIT);
        }

        boolean inAborted = false;

        void transaction(long producerId, String outcome) {
            if (outcome.equals("aborted") && !inAborted) {
                OUT.append("abort ").append(producerId).append(' ').append(offset).append('\n');
                inAborted = true;
            }
            MemoryRecordsBuilder builder = batch(TimestampType.CREATE_TIME, producerId);
            for (int i = 0; i < 3; i++) append(builder, text(30));
            close(builder, outcome);
        }

        void marker(long producerId, ControlRecordType kind) {
            if (kind == ControlRecordType.ABORT) inAborted = false;
            add(MemoryRecords.withEndTransactionMarker(offset, BASE_TIME, 7, producerId, (short) 3,
                new EndTransactionMarker(kind, 1)));
            offset++;
        }

        /** What the log cleaner leaves: batches with gaps, without their last records, with a delete horizon. */
        void compacted() {
            MemoryRecordsBuilder builder = batch(TimestampType.CREATE_TIME, 43);
            for (int i = 0; i < 20; i++) append(builder, i % 3 == 0 ? null : text(50));
            MemoryRecords records = builder.build();
            ByteBuffer filtered = ByteBuffer.allocate(1 << 20);
            records.filterTo(new MemoryRecords.RecordFilter(BASE_TIME, 60_000) {
                @Override
                protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                    return new BatchRetentionResult(BatchRetention.RETAIN_EMPTY, true);
                }

                @Override
                protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                    return record.offset() % 2 == 1 && record.offset() < offset - 4;
                }
            }, filtered, BufferSupplier.NO_CACHING);
            filtered.flip();
            MemoryRecords left = MemoryRecords.readableRecords(filtered);
            describe(left, "committed");
            add(left);
        }

        void appendTime() {
            MemoryRecordsBuilder builder = batch(TimestampType.LOG_APPEND_TIME, RecordBatch.NO_PRODUCER_ID);
            for (int i = 0; i < 4; i++) append(builder, text(30));
            close(builder, "committed");
        }

        void append(MemoryRecordsBuilder builder, byte[] value) {
            byte[] key = random.nextInt(4) == 0 ? null : text(12);
            Header[] headers = new Header[random.nextInt(6) == 0 ? 1 + random.nextInt(3) : 0];
            for (int i = 0; i < headers.length; i++) headers[i] = new RecordHeader("h" + i + "ä", text(9));
            builder.appendWithOffset(offset++, BASE_TIME + random.nextInt(2_000_000) - 500_000, key, value, headers);
        }

        byte[] text(int most) {
            StringBuilder text = new StringBuilder();
            int length = random.nextInt(most + 1);
            while (text.length() < length) text.append("customer ").append(random.nextInt(1000)).append(", ");
            return text.substring(0, length).getBytes(StandardCharsets.UTF_8);
        }

        void close(MemoryRecordsBuilder builder, String outcome) {
            MemoryRecords records = builder.build();
            describe(records, outcome);
            add(records);
        }

        void add(MemoryRecords records) {
            byte[] written = new byte[records.sizeInBytes()];
            records.buffer().duplicate().get(written);
            bytes.writeBytes(written);
        }
    }

    static void read(byte[] bytes) {
        MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
        for (MutableRecordBatch batch : records.batches()) {
            batch.ensureValid();
            OUT.append("batch ").append(batch.baseOffset()).append(' ').append(batch.lastOffset())
                .append(" count=").append(batch.countOrNull()).append(" max=").append(batch.maxTimestamp())
                .append(" producer=").append(batch.producerId()).append('/').append(batch.producerEpoch())
                .append('/').append(batch.baseSequence()).append(" transactional=").append(batch.isTransactional())
                .append(' ').append(batch.compressionType().name).append('\n');
            for (Record record : batch) record.ensureValid();
        }
        describe(records, "record");
    }

    static void describe(MemoryRecords records, String outcome) {
        for (Record record : records.records()) {
            OUT.append(outcome).append(' ').append(record.offset()).append(' ').append(record.timestamp())
                .append(' ').append(hex(record.key())).append(' ').append(hex(record.value()));
            for (Header header : record.headers()) {
                OUT.append(' ').append(hex(ByteBuffer.wrap(header.key().getBytes(StandardCharsets.UTF_8))))
                    .append('=').append(hex(ByteBuffer.wrap(header.value())));
            }
            OUT.append('\n');
        }
    }

    static String hex(ByteBuffer bytes) {
        if (bytes == null) return "null";
        byte[] copy = Utils.toArray(bytes);
        return "x" + HEX.formatHex(copy);
    }

    /** One key in hexadecimal a line. */
    static void partition(int partitions) throws IOException {
        String keys = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        keys.lines().forEach(line -> {
            byte[] key = HEX.parseHex(line.substring(1));
            OUT.append(Utils.murmur2(key)).append(' ').append(BuiltInPartitioner.partitionForKey(key, partitions))
                .append('\n');
        });
    }
}
