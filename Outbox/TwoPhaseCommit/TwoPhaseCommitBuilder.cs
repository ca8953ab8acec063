using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Outbox.Sql;

namespace Outbox.TwoPhaseCommit;

/// <summary>Configures a coordinator: its participants, and where its decisions are kept.</summary>
public sealed class TwoPhaseCommitBuilder
{
    private readonly List<(string Name, Func<IServiceProvider, DbDataSource> DataSource, bool IsLast)> _participants = [];
    private readonly string _name;
    private string? _decideIn;
    private Func<IServiceProvider, string, IDecisionStore>? _store;

    internal TwoPhaseCommitBuilder(string name) => _name = name;

    /// <summary>The settings of the coordinator.</summary>
    public TwoPhaseCommitOptions Options { get; } = new();

    /// <summary>Adds a database. PostgreSQL (<c>max_prepared_transactions</c> above 0), MySQL and MariaDB prepare; one of SQL Server or SQLite may take part as the last resource.</summary>
    /// <param name="name">Its name, a part of what its branches are called: lower-case words of letters, digits, dots and hyphens. Renaming it orphans what is prepared.</param>
    /// <param name="dataSource">Its connections; of the driver itself, and always as the same database user: on PostgreSQL only that one can finish what it has prepared.</param>
    public TwoPhaseCommitBuilder AddParticipant(string name, Func<IServiceProvider, DbDataSource> dataSource) => Add(name, dataSource, isLast: false);

    /// <inheritdoc cref="AddParticipant(string, Func{IServiceProvider, DbDataSource})"/>
    public TwoPhaseCommitBuilder AddParticipant(string name, DbDataSource dataSource) => Add(name, _ => dataSource, isLast: false);

    /// <summary>Adds the database of a <see cref="DbContext"/>.</summary>
    /// <inheritdoc cref="AddParticipant(string, Func{IServiceProvider, DbDataSource})"/>
    public TwoPhaseCommitBuilder AddParticipant<TContext>(string name)
        where TContext : DbContext => Add(name, services => new ContextDataSource<TContext>(services), isLast: false);

    /// <summary>Adds a database that does not prepare: its own commit comes last and holds the decision too. One at most, of any engine; a SQL Server or SQLite database is one without saying so.</summary>
    /// <remarks>It saves a vote and a write for the decision, so it is the faster way for a database that all transactions have in common. All decisions are kept there then, also those in which it does not take part.</remarks>
    /// <param name="name">Its name.</param>
    /// <param name="dataSource">Its connections.</param>
    public TwoPhaseCommitBuilder AddLastResource(string name, Func<IServiceProvider, DbDataSource> dataSource) => Add(name, dataSource, isLast: true);

    /// <inheritdoc cref="AddLastResource(string, Func{IServiceProvider, DbDataSource})"/>
    public TwoPhaseCommitBuilder AddLastResource(string name, DbDataSource dataSource) => Add(name, _ => dataSource, isLast: true);

    /// <summary>Keeps the decisions in the database of a participant. The default: in the last resource if there is one, otherwise in the first participant.</summary>
    /// <remarks>All processes that share the coordinator's name must say the same; to change it, wait until nothing is prepared.</remarks>
    /// <param name="participant">Its name.</param>
    public TwoPhaseCommitBuilder DecideIn(string participant)
    {
        _decideIn = participant;
        return this;
    }

    /// <summary>Keeps the decisions elsewhere.</summary>
    internal TwoPhaseCommitBuilder DecideIn(Func<IServiceProvider, string, IDecisionStore> store)
    {
        _store = store;
        return this;
    }

    internal Coordination Build(IServiceProvider services, TimeProvider time, ILogger logger)
    {
        Options.Validate(_name);
        if (_participants.Count == 0)
            throw new OutboxConfigurationException($"Coordinator '{_name}' has no participants. Add the databases with AddParticipant(\"…\", dataSource).");
        var participants = _participants.Select(p =>
        {
            var dataSource = p.DataSource(services);
            using var connection = dataSource.CreateConnection();
            var dialect = SqlDialect.Of(connection);
            return new Participant(p.Name, dataSource, dialect, p.IsLast || dialect.Branches is null);
        }).ToList();
        var last = participants.Where(p => p.IsLastResource).ToList();
        if (last.Count > 1)
        {
            throw new OutboxConfigurationException(
                $"Coordinator '{_name}' has {last.Count} participants that cannot wait for a decision: {string.Join(", ", last.Select(p => $"{p.Name} ({p.Dialect})"))}. One at most can be the last resource; reach the others by the outbox.");
        }
        if (_store is not null)
        {
            return last is [] ? new Coordination(_name, participants, _store(services, _name), Options, time, logger) : throw new OutboxConfigurationException(
                $"Coordinator '{_name}' has the last resource '{last[0].Name}', whose own commit is the decision, so decisions cannot be kept elsewhere. Leave out one of the two.");
        }
        var decideIn = _decideIn ?? last.FirstOrDefault()?.Name ?? participants[0].Name;
        var database = participants.Find(p => p.Name == decideIn) ?? throw new OutboxConfigurationException($"Coordinator '{_name}' decides in '{decideIn}', which is none of its participants: {string.Join(", ", participants.Select(p => p.Name))}.");
        if (last is [var only] && only != database)
            throw new OutboxConfigurationException($"Coordinator '{_name}' has the last resource '{only.Name}', whose own commit is the decision, so it cannot decide in '{decideIn}'. Leave DecideIn out.");
        return new Coordination(_name, participants, new DatabaseDecisionStore(database, _name, time), Options, time, logger) { DecisionDatabase = database };
    }

    private TwoPhaseCommitBuilder Add(string name, Func<IServiceProvider, DbDataSource> dataSource, bool isLast)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        if (!TransactionId.IsName(name, TransactionId.LongestBranch))
            throw new OutboxConfigurationException($"'{name}' cannot be a participant's name. Use up to {TransactionId.LongestBranch} lower-case letters, digits, dots and hyphens, for example 'ledger'.");
        if (_participants.Any(p => p.Name == name))
            throw new OutboxConfigurationException($"Coordinator '{_name}' has two participants '{name}'. Give one of them another name.");
        _participants.Add((name, dataSource, isLast));
        return this;
    }
}
