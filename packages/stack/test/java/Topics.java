import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Topics &lt;bootstrap&gt; create | write | read | leader &lt;topic&gt; [values]: one partition, acknowledged by all in sync. */
class Topics {
  public static void main(String[] args) throws Exception {
    String topic = args[2];
    Map<String, Object> config = Map.of("bootstrap.servers", args[0]);
    switch (args[1]) {
      case "create" -> {
        try (Admin admin = Admin.create(config)) {
          admin.createTopics(List.of(new NewTopic(topic, Optional.of(1), Optional.empty()))).all().get();
        }
      }
      case "leader" -> {
        try (Admin admin = Admin.create(config)) {
          var partition = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().get(0);
          System.out.println(partition.leader().id() + " of " + partition.replicas().size());
        }
      }
      case "write" -> {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "acks", "all");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
          for (int at = 3; at < args.length; at++) producer.send(new ProducerRecord<>(topic, 0, null, args[at])).get();
        }
      }
      case "read" -> {
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
          TopicPartition partition = new TopicPartition(topic, 0);
          consumer.assign(List.of(partition));
          consumer.seekToBeginning(List.of(partition));
          long end = consumer.endOffsets(List.of(partition)).get(partition);
          List<String> values = new ArrayList<>();
          while (consumer.position(partition) < end) {
            consumer.poll(Duration.ofMillis(100)).forEach(record -> values.add(record.value()));
          }
          System.out.println(String.join(",", values));
        }
      }
      default -> throw new IllegalArgumentException(args[1]);
    }
  }
}
