// What a sequence of steps works on.
package pools;

abstract class Sequence {
    /** What a step says that names something which is not there, or not any more. */
    static final String NOTHING = "nothing";

    /** Does one step, and says what came of it. */
    abstract String run(Step step) throws Throwable;

    /** Every figure that can be seen. */
    abstract String figures() throws Exception;
}
