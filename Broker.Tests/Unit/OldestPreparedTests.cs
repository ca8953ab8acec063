using Microsoft.Extensions.Time.Testing;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Unit;

internal sealed class OldestPreparedTests
{
    private readonly FakeTimeProvider _time = new();

    private static PreparedBranch Branch(string participant, TimeSpan? age) =>
        new(new Participant(participant, null!, SqlDialect.PostgreSql, isLastResource: false), TransactionId.New("c", "origin", 1, DateTime.UnixEpoch), age);

    [Test]
    public void The_age_is_the_engines_and_grows_between_looks()
    {
        var oldest = new OldestPrepared(_time);
        Assert.That(oldest.Age, Is.Null, "nobody has looked");

        oldest.Take([Branch("a", TimeSpan.FromSeconds(5)), Branch("a", TimeSpan.FromSeconds(90))], _ => false);
        _time.Advance(TimeSpan.FromSeconds(10));

        Assert.That(oldest.Age, Is.EqualTo(TimeSpan.FromSeconds(100)));
        oldest.Take([], _ => false);
        Assert.That(oldest.Age, Is.EqualTo(TimeSpan.Zero));
    }

    [Test]
    public void An_engine_that_knows_no_age_counts_from_the_first_look()
    {
        var oldest = new OldestPrepared(_time);
        var branch = Branch("a", age: null);

        oldest.Take([branch], _ => false);
        _time.Advance(TimeSpan.FromSeconds(10));
        oldest.Take([branch, Branch("a", age: null)], _ => false);

        Assert.That(oldest.Age, Is.EqualTo(TimeSpan.FromSeconds(10)));
    }

    [Test]
    public void What_a_participant_has_prepared_that_is_away_goes_on_to_count()
    {
        var oldest = new OldestPrepared(_time);
        oldest.Take([Branch("a", TimeSpan.FromSeconds(1))], _ => false);
        _time.Advance(TimeSpan.FromSeconds(10));

        oldest.Take([Branch("b", TimeSpan.Zero)], participant => participant == "a");

        Assert.That(oldest.Age, Is.EqualTo(TimeSpan.FromSeconds(11)));
    }
}
