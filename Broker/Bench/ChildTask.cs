namespace Broker.Bench;

/// <summary>What a measured process has to do. Travels on its standard input: others can see a command line, and this holds connection strings.</summary>
internal sealed record ChildTask
{
    public required ChildKind Kind { get; init; }

    public string RabbitMq { get; init; } = "";

    /// <summary>The exchange to publish to, and the queue bound to it.</summary>
    public string Exchange { get; init; } = "";

    public string Engine { get; init; } = "";

    /// <summary>One database; several for a relay of several sources.</summary>
    public IReadOnlyList<string> ConnectionStrings { get; init; } = [];

    public int Partitions { get; init; } = 1;

    public int Messages { get; init; }

    /// <summary>Messages before the measured ones, so that those meet compiled code.</summary>
    public int WarmUp { get; init; }

    public int Bytes { get; init; }

    /// <summary>Unconfirmed messages of the raw publisher.</summary>
    public int Window { get; init; } = RawPublisher.StandardWindow;

    /// <summary>Writers, or handlers at once.</summary>
    public int Concurrency { get; init; } = 1;

    /// <summary>Messages that a consumer applies in one transaction.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>Whether the messages of a batch are handled one after another, each by its own statement, and in the order of their keys.</summary>
    public bool ByKey { get; init; }

    /// <summary>Whether some of the messages fail: see <see cref="FailingHandler"/>.</summary>
    public bool SomeFail { get; init; }

    /// <summary>Commits a second.</summary>
    public double Rate { get; init; }

    public double Seconds { get; init; }

    /// <summary>CPU to use, in cores.</summary>
    public double Cores { get; init; }

    /// <summary>Whose locks are taken, and where they are kept.</summary>
    public LockKind Lock { get; init; }

    /// <summary>Redis, for locks.</summary>
    public string Redis { get; init; } = "";

    /// <summary>The nodes of etcd, for locks.</summary>
    public string Etcd { get; init; } = "";

    /// <summary>Whether the relay runs in the same process.</summary>
    public bool InProcess { get; init; }
}
