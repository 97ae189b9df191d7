// Everything about memory beside the derivation of a process: texts of sizes, products with fractions, shares of
// managed memory, the budget of RocksDB, network buffers.
package answers;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import java.lang.invoke.MethodType;
import java.lang.reflect.Method;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

final class Auxiliary {
    private static final Class<?> MEMORY_SIZE = Flink.type(Flink.CONFIGURATION + "MemorySize");

    static Map<String, Object> result(JsonObject question) throws Throwable {
        String operation = question.get("op").getAsString();
        switch (operation) {
            case "parse":
                return parse(question);
            case "multiply":
                return multiply(question);
            case "managed":
                return managed(question);
            case "operatorShare":
                return operatorShare(question);
            case "rocksdb":
                return rocksDb(question);
            case "resultPartition":
                return resultPartition(question);
            case "inputGate":
                return inputGate(question);
            case "buffers":
                return buffers(question);
            default:
                throw new IllegalStateException("no operation " + operation);
        }
    }

    private static Map<String, Object> parse(JsonObject question) throws Throwable {
        Method parse = MEMORY_SIZE.getMethod("parse", String.class);
        Object size = Flink.call(parse, null, text(question, "text"));
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("bytes", Flink.bytes(size));
        result.put("mebiBytes", Flink.ask(size, "getMebiBytes"));
        result.put("string", size.toString());
        result.put("human", Flink.ask(size, "toHumanReadableString"));
        return result;
    }

    private static Map<String, Object> multiply(JsonObject question) throws Throwable {
        // An option's fraction is a float, which Flink widens.
        double fraction = Float.parseFloat(text(question, "fraction"));
        double inverse = fraction / (1 - fraction);
        Object size = MEMORY_SIZE.getConstructor(long.class).newInstance(number(question, "bytes"));
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("double", Double.toString(fraction));
        result.put("product", Flink.bytes(Flink.ask(size, "multiply", fraction)));
        result.put("inverse", Double.toString(inverse));
        result.put("inverseProduct", Flink.bytes(Flink.ask(size, "multiply", inverse)));
        return result;
    }

    private static Map<String, Object> managed(JsonObject question) throws Throwable {
        Class<?> utils = Flink.type(Flink.RUNTIME + "util.config.memory.ManagedMemoryUtils");
        Object configuration = Flink.configuration();
        if (question.has("weights") && !question.get("weights").isJsonNull()) {
            Flink.set(configuration, "taskmanager.memory.managed.consumer-weights", text(question, "weights"));
        }
        Set<Object> present = new LinkedHashSet<>();
        for (JsonElement useCase : question.getAsJsonArray("allUseCases")) {
            present.add(useCase(useCase.getAsString()));
        }
        Object useCase = useCase(text(question, "useCase"));
        double share = Double.parseDouble(text(question, "fractionOfUseCase"));
        Object stateBackend = Optional.of(question.get("stateBackendUsesManaged").getAsBoolean());
        ClassLoader loader = Auxiliary.class.getClassLoader();
        // From 1.19 on the configuration of the job comes before that of the cluster.
        Method withJob = Flink.method(utils, "convertToFractionOfSlot", 7);
        Object fraction = withJob == null
                ? Flink.askStatic(utils, "convertToFractionOfSlot", useCase, share, present, configuration, stateBackend, loader)
                : Flink.call(withJob, null, useCase, share, present, Flink.configuration(), configuration, stateBackend, loader);
        Class<?> managerType = Flink.type(Flink.RUNTIME + "memory.MemoryManager");
        Object manager = managerType
                .getMethod("create", long.class, int.class)
                .invoke(null, number(question, "slotManagedBytes"), (int) number(question, "pageSize"));
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("fraction", fraction.toString());
        result.put("bytes", Flink.ask(manager, "computeMemorySize", fraction));
        result.put("pages", Flink.ask(manager, "computeNumberOfPages", fraction));
        return result;
    }

    private static Object useCase(String name) throws Throwable {
        return Flink.askStatic(Flink.type("org.apache.flink.core.memory.ManagedMemoryUseCase"), "valueOf", name);
    }

    private static Map<String, Object> operatorShare(JsonObject question) throws Throwable {
        Class<?> utils = Flink.type(Flink.RUNTIME + "util.config.memory.ManagedMemoryUtils");
        Map<String, Object> result = new LinkedHashMap<>();
        Object fraction = Flink.askStatic(
                utils, "getFractionRoundedDown", number(question, "weight"), number(question, "groupWeight"));
        result.put("fraction", fraction.toString());
        return result;
    }

    private static Map<String, Object> rocksDb(JsonObject question) throws Throwable {
        Class<?> utils = rocksDbType("RocksDBMemoryControllerUtils");
        long total = number(question, "totalBytes");
        double ratio = Double.parseDouble(text(question, "writeBufferRatio"));
        long writeBuffer = number(question, "writeBufferSize");
        MethodType ofTotal = MethodType.methodType(long.class, long.class, double.class);
        MethodType ofSize = MethodType.methodType(long.class, long.class);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("cacheCapacity", Flink.callDirectly(utils, "calculateActualCacheCapacity", ofTotal, total, ratio));
        long writeBuffers = (Long) Flink.callDirectly(utils, "calculateWriteBufferManagerCapacity", ofTotal, total, ratio);
        result.put("writeBufferManagerCapacity", writeBuffers);
        result.put("defaultArenaBlockSize", Flink.callDirectly(utils, "calculateRocksDBDefaultArenaBlockSize", ofSize, writeBuffer));
        result.put("mutableLimit", Flink.callDirectly(utils, "calculateRocksDBMutableLimit", ofSize, writeBuffers));
        MethodType check = MethodType.methodType(boolean.class, long.class, long.class, long.class);
        long arena = number(question, "arenaBlockSizeConfigured");
        result.put(
                "arenaBlockFits",
                Flink.callDirectly(rocksDbType("RocksDBOperationUtils"), "sanityCheckArenaBlockSize", check, writeBuffer, arena, writeBuffers));
        Object memory = rocksDbType("RocksDBMemoryConfiguration").getConstructor().newInstance();
        Flink.ask(memory, "setWriteBufferRatio", ratio);
        Flink.ask(memory, "setHighPriorityPoolRatio", Double.parseDouble(text(question, "highPriorityPoolRatio")));
        Flink.ask(memory, "validate");
        return result;
    }

    private static Class<?> rocksDbType(String name) {
        Class<?> type = Flink.type("org.apache.flink.state.rocksdb." + name);
        return type != null ? type : Flink.type("org.apache.flink.contrib.streaming.state." + name);
    }

    private static Map<String, Object> resultPartition(JsonObject question) throws Throwable {
        Class<?> utils = Flink.type(Flink.RUNTIME + "shuffle.NettyShuffleUtils");
        String name = "getMinMaxNetworkBuffersPerResultPartition";
        int perChannel = (int) number(question, "buffersPerChannel");
        int floating = (int) number(question, "floatingBuffersPerGate");
        int parallelism = (int) number(question, "sortShuffleMinParallelism");
        int buffers = (int) number(question, "sortShuffleMinBuffers");
        int partitions = (int) number(question, "subpartitions");
        Object type = partitionType(question);
        // From 1.18 on tiers of hybrid shuffle take part, which stay off here.
        Method withTiers = Flink.method(utils, name, 8);
        Object bounds = withTiers == null
                ? Flink.askStatic(utils, name, perChannel, floating, parallelism, buffers, partitions, type)
                : Flink.call(withTiers, null, perChannel, floating, parallelism, buffers, partitions, false, 0, type);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("min", Flink.ask(bounds, "getLeft"));
        result.put("max", Flink.ask(bounds, "getRight"));
        return result;
    }

    private static Map<String, Object> inputGate(JsonObject question) throws Throwable {
        // 1.17 and later; before, the numbers are the configured ones.
        Class<?> utils = Flink.type(Flink.RUNTIME + "io.network.partition.consumer.InputGateSpecUtils");
        JsonElement most = question.get("maxRequiredPerGate");
        Optional<Integer> required = most == null || most.isJsonNull() ? Optional.empty() : Optional.of(most.getAsInt());
        int perChannel = (int) number(question, "buffersPerChannel");
        int floating = (int) number(question, "floatingBuffersPerGate");
        int channels = (int) number(question, "channels");
        Object type = partitionType(question);
        Method withTiers = Flink.method(utils, "createGateBuffersSpec", 6);
        Object gate = withTiers == null
                ? Flink.askStatic(utils, "createGateBuffersSpec", required, perChannel, floating, type, channels)
                : Flink.call(withTiers, null, required, perChannel, floating, type, channels, false);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("exclusivePerChannel", Flink.ask(gate, "getEffectiveExclusiveBuffersPerChannel"));
        result.put("requiredFloating", Flink.ask(gate, "getRequiredFloatingBuffers"));
        result.put("totalFloating", Flink.ask(gate, "getTotalFloatingBuffers"));
        result.put("targetTotal", Flink.ask(gate, "targetTotalBuffersPerGate"));
        return result;
    }

    private static Object partitionType(JsonObject question) throws Throwable {
        Class<?> type = Flink.type(Flink.RUNTIME + "io.network.partition.ResultPartitionType");
        return Flink.askStatic(type, "valueOf", text(question, "type"));
    }

    private static Map<String, Object> buffers(JsonObject question) throws Throwable {
        Object configuration = Flink.configuration();
        Flink.set(configuration, "taskmanager.memory.segment-size", text(question, "segmentSize"));
        Class<?> parser = Flink.type(Flink.RUNTIME + "util.ConfigurationParserUtils");
        Object page = Flink.askStatic(parser, "getPageSize", configuration);
        Object network = MEMORY_SIZE.getConstructor(long.class).newInstance(number(question, "networkBytes"));
        Class<?> type = Flink.type(Flink.RUNTIME + "taskmanager.NettyShuffleEnvironmentConfiguration");
        // Until 1.20 the number of buffers could be an option of its own, so the configuration is asked for too.
        Method withoutConfiguration = Flink.method(type, "calculateNumberOfNetworkBuffers", 2);
        Object buffers = withoutConfiguration == null
                ? Flink.askStatic(type, "calculateNumberOfNetworkBuffers", configuration, network, page)
                : Flink.call(withoutConfiguration, null, network, page);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("buffers", buffers);
        return result;
    }

    private static String text(JsonObject question, String name) {
        return question.get(name).getAsString();
    }

    private static long number(JsonObject question, String name) {
        return question.get(name).getAsLong();
    }
}
