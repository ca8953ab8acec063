namespace Broker.Tests.Invariants;

/// <summary>Relays that decide for themselves come to the same fair end, soon, with few moves, and then stay.</summary>
internal sealed class FairShareTests
{
    [Test]
    public void After_joins_leaves_and_deaths_the_share_is_fair_again_with_few_moves_and_then_nothing_moves([Values(1, 2, 3, 7, 8, 16, 64)] int partitions, [Range(1, 8)] int seed)
    {
        var random = new Random(seed);
        var model = new FairShareModel(partitions, seed);
        model.Join();
        model.Run(2_000);
        for (var round = 0; round < 12; round++)
        {
            var events = random.Next(1, 4);
            for (var i = 0; i < events; i++)
            {
                if (model.Live <= 1 || (model.Live < 8 && random.Next(2) == 0))
                    model.Join();
                else if (random.Next(2) == 0)
                    model.Leave();
                else
                    model.Kill();
            }
            var (needed, before) = (model.Needed, model.Moves);

            // A lease for the dead, one for rows that nobody was sure to want, and some beats.
            model.Run((2 * FairShareModel.Lease) + 5_000);

            Assert.That(model.IsFair, $"round {round}: {model.State}");
            var moves = model.Moves - before;
            Assert.That(moves, Is.LessThanOrEqualTo(needed + model.Live + (needed / 2)), $"round {round}: {needed} were needed");
            model.Run(5 * FairShareModel.Lease);
            Assert.That(model.Moves - before, Is.EqualTo(moves), $"round {round}: nobody who is balanced moves; {model.State}");
        }
    }
}
