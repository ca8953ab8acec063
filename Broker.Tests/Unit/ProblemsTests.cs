using Broker.Dashboard.Jobs;
using Broker.Dashboard.Snapshots;

namespace Broker.Tests.Unit;

/// <summary>What the overview tells of what the jobs have found.</summary>
internal sealed class ProblemsTests
{
    private static readonly DateTime Since = new(2026, 11, 27, 2, 14, 0, DateTimeKind.Utc);

    [TestCase("schema", "Its tables are not as they should be")]
    [TestCase("deferred", "Deferred messages fail again and again")]
    public void What_no_snapshot_shows_is_told_with_its_words_and_its_beginning(string kind, string what)
    {
        var problem = Problems.With([], [new Finding("or/ders", kind, "the words of the job", Since)]).Single();

        Assert.That((problem.Weight, problem.Source, problem.What, problem.Since, problem.Why), Is.EqualTo((ProblemWeight.Slow, "or/ders", what, (DateTime?)Since, "the words of the job")));
        Assert.That(problem.Path, Is.EqualTo("/broker/sources/or%2Fders"));
    }

    [TestCase("lag")]
    [TestCase("relay")]
    [TestCase("blocked")]
    [TestCase("stray")]
    [TestCase("unreachable")]
    public void What_a_snapshot_shows_by_itself_is_not_told_twice(string kind) => Assert.That(Problems.With([], [new Finding("orders", kind, "the words of the job", Since)]), Is.Empty);

    [Test]
    public void Every_kind_that_a_job_can_find_is_one_of_those()
    {
        var tried = typeof(ProblemsTests).GetMethods().SelectMany(m => m.GetCustomAttributes(typeof(TestCaseAttribute), inherit: false)).Select(a => (string)((TestCaseAttribute)a).Arguments[0]!);

        Assert.That(tried, Is.EquivalentTo(StuckJob.Kinds.Append(SchemaJob.Name)));
    }

    [Test]
    public void The_worst_comes_first_whoever_has_found_it()
    {
        static Problem Seen(ProblemWeight weight) => new(weight, "orders", $"{weight}", null, null, "", null);
        var all = Problems.With([Seen(ProblemWeight.Stopped), Seen(ProblemWeight.Decide)], [new Finding("stock", "schema", "", Since)]);

        Assert.That(all.Select(p => p.Weight), Is.EqualTo(new[] { ProblemWeight.Stopped, ProblemWeight.Slow, ProblemWeight.Decide }));
    }
}
