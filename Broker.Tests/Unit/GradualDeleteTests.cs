using Microsoft.Extensions.Time.Testing;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>How many rows retention deletes by one statement.</summary>
internal sealed class GradualDeleteTests
{
    private readonly List<int> _limits = [];

    [Test]
    public async Task Statements_are_as_small_as_the_database_is_slow()
    {
        Assert.That(await DeleteAsync(rows: 2_000, each: TimeSpan.FromMilliseconds(50)), Is.EqualTo(2_000));

        Assert.That(_limits.Take(5), Is.EqualTo(new[] { 200, 100, 50, 25, 20 }));
        Assert.That(_limits.Skip(5), Has.All.EqualTo(20), "fewer would never end");
    }

    [Test]
    public async Task Statements_grow_where_the_database_is_fast()
    {
        Assert.That(await DeleteAsync(rows: 2_000, each: TimeSpan.FromMilliseconds(1)), Is.EqualTo(2_000));

        Assert.That(_limits, Is.EqualTo(new[] { 200, 400, 500, 500, 500 }));
    }

    [Test]
    public async Task A_statement_of_a_fitting_length_stays_as_it_is()
    {
        Assert.That(await DeleteAsync(rows: 500, each: TimeSpan.FromMilliseconds(10)), Is.EqualTo(500));

        Assert.That(_limits, Is.EqualTo(new[] { 200, 200, 200 }));
    }

    /// <summary>Deletes so many rows from a table that there is not, by statements that take so long.</summary>
    private async Task<long> DeleteAsync(int rows, TimeSpan each)
    {
        _limits.Clear();
        var time = new FakeTimeProvider();
        var delete = new GradualDelete(time).RunAsync(
            (limit, _) =>
            {
                _limits.Add(limit);
                var deleted = Math.Min(rows, limit);
                rows -= deleted;
                return Task.FromResult((deleted, each));
            },
            CancellationToken.None);
        while (!delete.IsCompleted)
            time.Advance(TimeSpan.FromMilliseconds(100));
        return await delete;
    }
}
