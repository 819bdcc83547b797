// Copyright The Proffer Authors
// SPDX-License-Identifier: Apache-2.0

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * The other side of the exchange that tests/messages/java.rs makes: messages of the classes that Apache Mesos published.
 *
 * <p>fields: prints every field of every message. write N: prints N messages of every type with generated contents, in
 * protobuf and in JSON. verify: reads messages with what the other side made of them, and says where they differ.
 */
public final class Exchange {
  private static final FileDescriptor[] FILES = {
    org.apache.mesos.v1.Protos.getDescriptor(),
    org.apache.mesos.v1.allocator.Protos.getDescriptor(),
    org.apache.mesos.v1.maintenance.Protos.getDescriptor(),
    org.apache.mesos.v1.quota.Protos.getDescriptor(),
    org.apache.mesos.v1.scheduler.Protos.getDescriptor(),
    org.apache.mesos.v1.executor.Protos.getDescriptor(),
    org.apache.mesos.v1.master.Protos.getDescriptor(),
    org.apache.mesos.v1.agent.Protos.getDescriptor(),
  };

  /** How deep messages are filled beyond what they require. */
  private static final int DEPTH = 6;

  public static void main(String[] arguments) throws Exception {
    PrintStream out = new PrintStream(System.out, false, "UTF-8");
    Map<String, Descriptor> all = new LinkedHashMap<>();
    for (FileDescriptor file : FILES) {
      file.getMessageTypes().forEach(type -> collect(type, all));
    }
    switch (arguments[0]) {
      case "fields":
        all.values().forEach(type -> fields(type, out));
        break;
      case "write":
        Random random = new Random(1);
        for (Descriptor type : all.values()) {
          for (int i = 0; i < Integer.parseInt(arguments[1]); i++) {
            write(message(type, random, 0, i), out);
          }
        }
        break;
      case "verify":
        verify(all, out);
        break;
      default:
        throw new IllegalArgumentException(arguments[0]);
    }
    out.flush();
  }

  private static void collect(Descriptor type, Map<String, Descriptor> all) {
    if (!type.getOptions().getMapEntry()) {
      all.put(type.getFullName(), type);
      type.getNestedTypes().forEach(nested -> collect(nested, all));
    }
  }

  private static void fields(Descriptor type, PrintStream out) {
    for (FieldDescriptor field : type.getFields()) {
      String label = field.isRequired() ? "required" : field.isRepeated() ? "repeated" : "optional";
      out.println(type.getFullName() + "\t" + field.getName() + "\t" + field.getNumber() + "\t" + label + "\t"
          + field.getType().name().toLowerCase());
    }
  }

  private static String encode(byte[] bytes) {
    return Base64.getEncoder().encodeToString(bytes);
  }

  private static void write(Message message, PrintStream out) throws Exception {
    String json = JsonFormat.printer().preservingProtoFieldNames().omittingInsignificantWhitespace().print(message);
    out.println(message.getDescriptorForType().getFullName() + "\t" + encode(message.toByteArray()) + "\t"
        + (hasDuration(message) ? "" : encode(json.getBytes(StandardCharsets.UTF_8))));
  }

  /** Standard JSON writes a Duration as a text, Mesos as an object. */
  private static boolean hasDuration(Object value) {
    if (value instanceof List) {
      return ((List<?>) value).stream().anyMatch(Exchange::hasDuration);
    }
    if (!(value instanceof Message)) {
      return false;
    }
    Message message = (Message) value;
    return message.getDescriptorForType().getFullName().equals("google.protobuf.Duration")
        || message.getAllFields().values().stream().anyMatch(Exchange::hasDuration);
  }

  /** The message with every default set that Mesos' JSON shows without its being set. */
  private static Message withDefaults(Message message) {
    Message.Builder builder = message.toBuilder();
    for (FieldDescriptor field : message.getDescriptorForType().getFields()) {
      boolean isMessage = field.getJavaType() == FieldDescriptor.JavaType.MESSAGE;
      if (field.isRepeated() && isMessage) {
        for (int i = 0; i < message.getRepeatedFieldCount(field); i++) {
          builder.setRepeatedField(field, i, withDefaults((Message) message.getRepeatedField(field, i)));
        }
      } else if (!field.isRepeated() && message.hasField(field) && isMessage) {
        builder.setField(field, withDefaults((Message) message.getField(field)));
      } else if (!field.isRepeated() && !message.hasField(field) && field.hasDefaultValue()
          && !field.getOptions().getDeprecated()) {
        builder.setField(field, field.getDefaultValue());
      }
    }
    return builder.build();
  }

  private static void verify(Map<String, Descriptor> all, PrintStream out) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int count = 0;
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] parts = line.split("\t", -1);
      Descriptor type = all.get(parts[0]);
      Message original = DynamicMessage.parseFrom(type, Base64.getDecoder().decode(parts[1]));
      Message protobuf = DynamicMessage.parseFrom(type, Base64.getDecoder().decode(parts[2]));
      if (!protobuf.equals(original)) {
        out.println("protobuf of " + parts[0] + ": " + original + " became " + protobuf);
      }
      if (!hasDuration(original)) {
        DynamicMessage.Builder json = DynamicMessage.newBuilder(type);
        JsonFormat.parser().merge(new String(Base64.getDecoder().decode(parts[3]), StandardCharsets.UTF_8), json);
        if (!withDefaults(original).equals(json.build())) {
          out.println("JSON of " + parts[0] + ": " + withDefaults(original) + " became " + json.build());
        }
      }
      count++;
    }
    out.println("verified " + count);
  }

  /** The first message of a type has every field, the others some. */
  private static Message message(Descriptor type, Random random, int depth, int round) {
    DynamicMessage.Builder builder = DynamicMessage.newBuilder(type);
    for (FieldDescriptor field : type.getFields()) {
      boolean wanted = depth < DEPTH && (round == 0 && depth < 2 || random.nextInt(3) == 0);
      boolean taken = field.getContainingOneof() != null && builder.hasOneof(field.getContainingOneof());
      if (!field.isRequired() && (!wanted || taken)) {
        continue;
      }
      if (!field.isRepeated()) {
        builder.setField(field, value(field, random, depth, round));
        continue;
      }
      List<Object> values = new ArrayList<>();
      for (int i = 0; i < 1 + random.nextInt(2); i++) {
        values.add(field.isMapField() ? entry(field, random, depth, round, i) : value(field, random, depth, round));
      }
      builder.setField(field, values);
    }
    return builder.build();
  }

  private static Message entry(FieldDescriptor field, Random random, int depth, int round, int index) {
    Descriptor type = field.getMessageType();
    return DynamicMessage.newBuilder(type)
        .setField(type.findFieldByNumber(1), index + text(random))
        .setField(type.findFieldByNumber(2), value(type.findFieldByNumber(2), random, depth, round))
        .build();
  }

  private static Object value(FieldDescriptor field, Random random, int depth, int round) {
    switch (field.getJavaType()) {
      case BOOLEAN:
        return random.nextBoolean();
      case INT:
        return new int[] {0, -1, Integer.MAX_VALUE, Integer.MIN_VALUE, random.nextInt()}[random.nextInt(5)];
      case LONG:
        return new long[] {0, -1, Long.MAX_VALUE, Long.MIN_VALUE, random.nextLong()}[random.nextInt(5)];
      case DOUBLE:
        return new double[] {
          0.0, 0.1, -1.5, 1e300, 5e-324, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, random.nextGaussian()
        }[random.nextInt(8)];
      case STRING:
        return text(random);
      case BYTE_STRING:
        byte[] bytes = new byte[random.nextInt(20)];
        random.nextBytes(bytes);
        return ByteString.copyFrom(bytes);
      case ENUM:
        List<EnumValueDescriptor> values = field.getEnumType().getValues();
        return values.get(random.nextInt(values.size()));
      case MESSAGE:
        if (field.getMessageType().getFullName().equals("google.protobuf.Duration")) {
          return DynamicMessage.newBuilder(field.getMessageType())
              .setField(field.getMessageType().findFieldByNumber(1), (long) random.nextInt(1000))
              .build();
        }
        return message(field.getMessageType(), random, depth + 1, round);
      default:
        throw new IllegalArgumentException(field.getFullName());
    }
  }

  private static String text(Random random) {
    String[] words = {"", "a", "/tmp/x y", "\u00e9\uD83D\uDE00", "\"\\\n\r\t\u0000\u007f", "null", "<&>"};
    return words[random.nextInt(words.length)] + random.nextInt(100);
  }
}
