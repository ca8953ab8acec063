using Npgsql;
using Outbox.Diagnostics;

namespace Broker.Tests.Unit;

public sealed class ErrorTextsTests
{
    private readonly ErrorTexts _texts = new();

    [Test]
    public async Task A_text_is_that_of_the_error_also_when_its_stack_is_known([Values(0, 3)] int depth)
    {
        for (var i = 0; i < 3; i++)
        {
            var error = await ThrownAsync(() => FailAsync(depth, new InvalidOperationException($"Message {i} fails.")));
            Assert.That(_texts.Of(error), Is.EqualTo(error.ToString()));
        }
    }

    [Test]
    public async Task Errors_of_different_places_keep_their_own_stacks()
    {
        var first = await ThrownAsync(() => FailAsync(1, new InvalidOperationException("It fails.")));
        var deeper = await ThrownAsync(() => FailAsync(2, new InvalidOperationException("It fails.")));
        var elsewhere = await ThrownAsync(() => throw new InvalidOperationException("It fails."));
        Assert.That(new[] { first, deeper, elsewhere }.Select(_texts.Of), Is.EqualTo(new[] { first, deeper, elsewhere }.Select(e => e.ToString())));
        // Two lines of one method.
        var lines = new List<Exception>();
        foreach (var line in new[] { 1, 2 })
            lines.Add(await ThrownAsync(() => FailAtAsync(line)));
        Assert.That(lines.Select(_texts.Of), Is.EqualTo(lines.Select(e => e.ToString())));
        Assert.That(_texts.Of(lines[0]), Is.Not.EqualTo(_texts.Of(lines[1])));
    }

    [Test]
    public async Task Inner_errors_and_those_with_a_text_of_their_own_are_told_as_they_tell_themselves()
    {
        var inner = await ThrownAsync(() => FailAsync(1, new PostgresException("duplicate key", "ERROR", "ERROR", "23505", detail: "Key (id)=(1) already exists.")));
        Exception[] errors =
        [
            await ThrownAsync(() => FailAsync(0, new InvalidOperationException("Outer.", inner))),
            new AggregateException("Several.", inner, new TimeoutException()),
            new TimeoutException(null, new IOException("")),
            new InvalidOperationException("Never thrown."),
            inner,
        ];
        foreach (var error in errors)
            Assert.That(_texts.Of(error), Is.EqualTo(error.ToString()));
    }

    [Test]
    public async Task More_places_than_are_remembered_do_no_harm()
    {
        for (var depth = 0; depth < 300; depth++)
        {
            var error = await ThrownAsync(() => FailAsync(depth, new InvalidOperationException()));
            Assert.That(_texts.Of(error), Is.EqualTo(error.ToString()));
        }
    }

    private static async Task<Exception> ThrownAsync(Func<Task> failing)
    {
        try
        {
            await failing();
        }
        catch (Exception exception)
        {
            return exception;
        }
        throw new AssertionException("It did not fail.");
    }

    private static async Task FailAsync(int depth, Exception error)
    {
        await Task.Yield();
        if (depth == 0)
            throw error;
        await FailAsync(depth - 1, error);
    }

    private static async Task FailAtAsync(int line)
    {
        await Task.Yield();
        if (line == 1)
            throw new InvalidOperationException("It fails.");
        // Else the compiler makes one of them.
        await Task.Yield();
        throw new InvalidOperationException("It fails.");
    }
}
