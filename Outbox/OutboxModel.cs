using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Outbox.Consumers;
using Outbox.Inbox;
using Outbox.Locks;
using Outbox.Messages;
using Outbox.Receipts;
using Outbox.Sagas;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Outbox;

/// <summary>Maps the outbox's tables into a service's own model.</summary>
public static class OutboxModel
{
    /// <summary>Adds the tables <c>outbox_messages</c>, <c>outbox_archive</c>, <c>outbox_scheduled</c>, <c>inbox_messages</c>, <c>dead_letters</c>, <c>dead_letter_actions</c>, <c>deferred_messages</c>, <c>leases</c>, <c>relays</c>, <c>consumers</c>, <c>receipt_requests</c>, <c>receipts</c>, <c>inbox_keys</c>, <c>consumer_status</c>, <c>transaction_decisions</c>, <c>transaction_markers</c>, <c>transaction_coordinators</c>, <c>sagas</c>, <c>saga_steps</c>, <c>fences</c>, <c>outbox_settings</c> and <c>outbox_schema</c> to the model, and so to its migrations. Call it in <c>OnModelCreating</c>.</summary>
    /// <returns>The same builder.</returns>
    public static ModelBuilder UseOutbox(this ModelBuilder modelBuilder)
    {
        ArgumentNullException.ThrowIfNull(modelBuilder);
        var engine = Engine.Of(modelBuilder);
        modelBuilder.Entity<OutboxMessage>(entity => MapMessage(entity, engine));
        modelBuilder.Entity<ArchivedMessage>(entity => MapArchive(entity, engine));
        modelBuilder.Entity<ScheduledMessage>(entity => MapScheduled(entity, engine));
        modelBuilder.Entity<LeaseRow>(entity =>
        {
            entity.ToTable("leases").HasKey(l => l.Name).HasName("pk_leases");
            if (engine.HasLeaseIndex)
                entity.HasIndex(l => new { l.Token, l.Name }).IsUnique().HasDatabaseName("ux_leases_token_name");
            engine.Exact(entity.Property(l => l.Name).HasColumnName("name").HasMaxLength(200));
            entity.Property(l => l.Owner).HasColumnName("owner").HasMaxLength(200);
            entity.Property(l => l.Token).HasColumnName("token");
            entity.Property(l => l.ExpiresAt).HasColumnName("expires_at");
            entity.Property(l => l.AcquiredAt).HasColumnName("acquired_at");
        });
        modelBuilder.Entity<FenceRow>(entity =>
        {
            entity.ToTable("fences").HasKey(f => f.Name).HasName("pk_fences");
            engine.Exact(entity.Property(f => f.Name).HasColumnName("name").HasMaxLength(200));
            entity.Property(f => f.Token).HasColumnName("token");
        });
        modelBuilder.Entity<InboxMessage>(entity =>
        {
            entity.ToTable("inbox_messages").HasKey(m => new { m.Consumer, m.MessageId, m.Operation }).HasName("pk_inbox_messages");
            entity.HasIndex(m => m.ReceivedAt).HasDatabaseName("ix_inbox_messages_received_at");
            engine.Exact(entity.Property(m => m.Consumer).HasColumnName("consumer").HasMaxLength(100));
            entity.Property(m => m.MessageId).HasColumnName("message_id");
            engine.Exact(entity.Property(m => m.Operation).HasColumnName("operation").HasMaxLength(100).HasDefaultValue(""));
            entity.Property(m => m.ReceivedAt).HasColumnName("received_at").HasDefaultValueSql(engine.Now);
        });
        modelBuilder.Entity<DeferredMessage>(entity => MapDeferred(entity, engine));
        modelBuilder.Entity<DeadLetter>(entity => MapDeadLetter(entity, engine));
        modelBuilder.Entity<DeadLetterAction>(entity =>
        {
            entity.ToTable("dead_letter_actions").HasKey(a => a.Id).HasName("pk_dead_letter_actions");
            entity.HasIndex(a => a.DeadLetterId).HasDatabaseName("ix_dead_letter_actions_letter");
            entity.Property(a => a.Id).HasColumnName("id");
            entity.Property(a => a.DeadLetterId).HasColumnName("dead_letter_id");
            engine.Exact(entity.Property(a => a.Side).HasColumnName("side").HasMaxLength(20));
            engine.Exact(entity.Property(a => a.Consumer).HasColumnName("consumer").HasMaxLength(100));
            entity.Property(a => a.MessageId).HasColumnName("message_id");
            entity.Property(a => a.Action).HasColumnName("action").HasMaxLength(20);
            entity.Property(a => a.Actor).HasColumnName("actor").HasMaxLength(200);
            entity.Property(a => a.Reason).HasColumnName("reason");
            entity.Property(a => a.PreviousBody).HasColumnName("previous_body");
            entity.Property(a => a.ActedAt).HasColumnName("acted_at").HasDefaultValueSql(engine.Now);
        });
        modelBuilder.Entity<RelayRow>(entity =>
        {
            entity.ToTable("relays").HasKey(r => r.Owner).HasName("pk_relays");
            engine.Exact(entity.Property(r => r.Owner).HasColumnName("owner").HasMaxLength(200));
            entity.Property(r => r.StartedAt).HasColumnName("started_at").HasDefaultValueSql(engine.Now);
            entity.Property(r => r.ExpiresAt).HasColumnName("expires_at");
            entity.Property(r => r.Status).HasColumnName("status");
        });
        modelBuilder.Entity<KnownConsumer>(entity =>
        {
            entity.ToTable("consumers").HasKey(c => new { c.Name, c.Type }).HasName("pk_consumers");
            engine.Exact(entity.Property(c => c.Name).HasColumnName("name").HasMaxLength(100));
            engine.Exact(entity.Property(c => c.Type).HasColumnName("type").HasMaxLength(MessageTypeRegistry.MaxNameLength));
            entity.Property(c => c.LastSeenAt).HasColumnName("last_seen_at").HasDefaultValueSql(engine.Now);
        });
        modelBuilder.Entity<ReceiptRequest>(entity =>
        {
            entity.ToTable("receipt_requests").HasKey(r => r.MessageId).HasName("pk_receipt_requests");
            entity.HasIndex(r => r.RequestedAt).HasDatabaseName("ix_receipt_requests_requested_at");
            entity.Property(r => r.MessageId).HasColumnName("message_id").ValueGeneratedNever();
            engine.Exact(entity.Property(r => r.Type).HasColumnName("type").HasMaxLength(MessageTypeRegistry.MaxNameLength));
            entity.Property(r => r.RequestedAt).HasColumnName("requested_at").HasDefaultValueSql(engine.Now);
        });
        modelBuilder.Entity<ReceiptRow>(entity =>
        {
            entity.ToTable("receipts").HasKey(r => new { r.MessageId, r.Consumer }).HasName("pk_receipts");
            entity.HasIndex(r => r.ReceivedAt).HasDatabaseName("ix_receipts_received_at");
            entity.Property(r => r.MessageId).HasColumnName("message_id");
            engine.Exact(entity.Property(r => r.Consumer).HasColumnName("consumer").HasMaxLength(100));
            entity.Property(r => r.Outcome).HasColumnName("outcome").HasMaxLength(20);
            entity.Property(r => r.Reason).HasColumnName("reason");
            entity.Property(r => r.OccurredAt).HasColumnName("occurred_at");
            entity.Property(r => r.ReceivedAt).HasColumnName("received_at").HasDefaultValueSql(engine.Now);
        });
        modelBuilder.Entity<InboxKey>(entity =>
        {
            entity.ToTable("inbox_keys").HasKey(k => new { k.Consumer, k.Source, k.PartitionKey }).HasName("pk_inbox_keys");
            engine.Exact(entity.Property(k => k.Consumer).HasColumnName("consumer").HasMaxLength(100));
            engine.Exact(entity.Property(k => k.Source).HasColumnName("source").HasMaxLength(100));
            engine.Exact(entity.Property(k => k.PartitionKey).HasColumnName("partition_key").HasMaxLength(PartitionKey.MaxLength));
            entity.Property(k => k.LastSequence).HasColumnName("last_sequence");
            entity.Property(k => k.Skipped).HasColumnName("skipped");
        });
        modelBuilder.Entity<ConsumerStatusRow>(entity =>
        {
            entity.ToTable("consumer_status").HasKey(s => new { s.Consumer, s.Owner }).HasName("pk_consumer_status");
            engine.Exact(entity.Property(s => s.Consumer).HasColumnName("consumer").HasMaxLength(100));
            engine.Exact(entity.Property(s => s.Owner).HasColumnName("owner").HasMaxLength(200));
            entity.Property(s => s.StartedAt).HasColumnName("started_at").HasDefaultValueSql(engine.Now);
            entity.Property(s => s.ExpiresAt).HasColumnName("expires_at");
            entity.Property(s => s.Status).HasColumnName("status");
        });
        modelBuilder.Entity<TransactionDecisionRow>(entity => MapDecision(entity, engine));
        modelBuilder.Entity<TransactionMarker>(entity =>
        {
            entity.ToTable("transaction_markers").HasKey(m => new { m.TransactionId, m.Branch }).HasName("pk_transaction_markers");
            entity.HasIndex(m => m.CreatedAt).HasDatabaseName("ix_transaction_markers_created_at");
            engine.Exact(entity.Property(m => m.TransactionId).HasColumnName("transaction_id").HasMaxLength(64));
            engine.Exact(entity.Property(m => m.Branch).HasColumnName("branch").HasMaxLength(TransactionId.LongestBranch));
            entity.Property(m => m.CreatedAt).HasColumnName("created_at").HasDefaultValueSql(engine.Now);
        });
        modelBuilder.Entity<CoordinatorRow>(entity =>
        {
            entity.ToTable("transaction_coordinators").HasKey(c => c.Name).HasName("pk_transaction_coordinators");
            engine.Exact(entity.Property(c => c.Name).HasColumnName("name").HasMaxLength(TransactionId.LongestCoordinator));
            engine.Exact(entity.Property(c => c.Origin).HasColumnName("origin").HasMaxLength(6));
            entity.Property(c => c.Incarnation).HasColumnName("incarnation");
            entity.Property(c => c.RaisedAt).HasColumnName("raised_at");
            entity.Property(c => c.RaisedBy).HasColumnName("raised_by").HasMaxLength(200);
            entity.Property(c => c.Reason).HasColumnName("reason");
        });
        modelBuilder.Entity<SagaRow>(entity =>
        {
            entity.ToTable("sagas").HasKey(s => new { s.Type, s.Id }).HasName("pk_sagas");
            entity.HasIndex(s => new { s.Status, s.UpdatedAt }).HasDatabaseName("ix_sagas_status");
            entity.HasIndex(s => s.UpdatedAt).HasDatabaseName("ix_sagas_updated_at");
            engine.Exact(entity.Property(s => s.Type).HasColumnName("type").HasMaxLength(100));
            engine.Exact(entity.Property(s => s.Id).HasColumnName("id").HasMaxLength(PartitionKey.MaxLength));
            var version = entity.Property(s => s.Version).HasColumnName("version");
            _ = engine.HasTypedDefaults ? version.HasDefaultValueSql("1") : version.HasDefaultValue(1L);
            entity.Property(s => s.Status).HasColumnName("status").HasMaxLength(20);
            entity.Property(s => s.Step).HasColumnName("step").HasMaxLength(100);
            entity.Property(s => s.Operation).HasColumnName("operation").HasMaxLength(20);
            entity.Property(s => s.Round).HasColumnName("round");
            entity.Property(s => s.Attempt).HasColumnName("attempt");
            entity.Property(s => s.Entries).HasColumnName("entries");
            var givenUp = entity.Property(s => s.GivenUp).HasColumnName("given_up");
            _ = engine.HasTypedDefaults ? givenUp.HasDefaultValueSql("0") : givenUp.HasDefaultValue(0);
            entity.Property(s => s.State).HasColumnName("state");
            entity.Property(s => s.Reason).HasColumnName("reason");
            entity.Property(s => s.Trouble).HasColumnName("trouble");
            entity.Property(s => s.CreatedAt).HasColumnName("created_at").HasDefaultValueSql(engine.Now);
            entity.Property(s => s.UpdatedAt).HasColumnName("updated_at").HasDefaultValueSql(engine.Now);
            entity.Property(s => s.Deadline).HasColumnName("deadline");
        });
        modelBuilder.Entity<SagaStepRow>(entity =>
        {
            entity.ToTable("saga_steps").HasKey(s => new { s.Type, s.Id, s.Number }).HasName("pk_saga_steps");
            entity.HasIndex(s => s.HappenedAt).HasDatabaseName("ix_saga_steps_happened_at");
            engine.Exact(entity.Property(s => s.Type).HasColumnName("type").HasMaxLength(100));
            engine.Exact(entity.Property(s => s.Id).HasColumnName("id").HasMaxLength(PartitionKey.MaxLength));
            entity.Property(s => s.Number).HasColumnName("number").ValueGeneratedNever();
            entity.Property(s => s.Step).HasColumnName("step").HasMaxLength(100);
            entity.Property(s => s.Operation).HasColumnName("operation").HasMaxLength(20);
            entity.Property(s => s.Event).HasColumnName("event").HasMaxLength(20);
            entity.Property(s => s.Attempt).HasColumnName("attempt");
            entity.Property(s => s.MessageId).HasColumnName("message_id");
            entity.Property(s => s.Actor).HasColumnName("actor").HasMaxLength(200);
            entity.Property(s => s.Reason).HasColumnName("reason");
            entity.Property(s => s.HappenedAt).HasColumnName("happened_at").HasDefaultValueSql(engine.Now);
        });
        modelBuilder.Entity<OutboxSettings>(entity =>
        {
            entity.ToTable("outbox_settings").HasKey(s => s.Id).HasName("pk_outbox_settings");
            entity.Property(s => s.Id).HasColumnName("id").ValueGeneratedNever();
            var partitions = entity.Property(s => s.Partitions).HasColumnName("partitions");
            _ = engine.HasTypedDefaults ? partitions.HasDefaultValueSql("1") : partitions.HasDefaultValue((short)1);
            entity.Property(s => s.NextPartitions).HasColumnName("next_partitions");
            entity.Property(s => s.ChangedAt).HasColumnName("changed_at").HasDefaultValueSql(engine.Now);
            entity.HasData(new { Id = (short)1 });
        });
        modelBuilder.Entity<SchemaVersion>(entity =>
        {
            entity.ToTable("outbox_schema").HasKey(v => v.Version).HasName("pk_outbox_schema");
            entity.Property(v => v.Version).HasColumnName("version").ValueGeneratedNever();
            entity.Property(v => v.AppliedAt).HasColumnName("applied_at").HasDefaultValueSql(engine.Now);
            // A later version of this assembly adds its own row, and with it a migration.
            entity.HasData(new { Version = SchemaVersion.Current });
        });
        return modelBuilder;
    }

    private static void MapMessage(EntityTypeBuilder<OutboxMessage> entity, Engine engine)
    {
        entity.ToTable("outbox_messages");
        if (engine.ToastTarget is { } target)
            entity.HasAnnotation("Npgsql:StorageParameter:toast_tuple_target", target);
        // SQLite numbers rows only by a key of one column; elsewhere the key is the relay's reading order.
        if (engine.NumbersSingleKeysOnly)
            entity.HasKey(m => m.Sequence).HasName("pk_outbox_messages");
        else
            entity.HasKey(m => new { m.Partition, m.Sequence }).HasName("pk_outbox_messages");
        entity.Property(m => m.Sequence).HasColumnName("sequence").ValueGeneratedOnAdd();
        entity.Property(m => m.MessageId).HasColumnName("message_id").ValueGeneratedNever();
        var partition = entity.Property(m => m.Partition).HasColumnName("partition");
        // SQL Server keeps a default as it is written, and Entity Framework would write CAST(0 AS smallint).
        _ = engine.HasTypedDefaults ? partition.HasDefaultValueSql("0") : partition.HasDefaultValue((short)0);
        partition.ValueGeneratedNever();
        engine.Exact(entity.Property(m => m.PartitionKey).HasColumnName("partition_key").HasMaxLength(PartitionKey.MaxLength));
        entity.Property(m => m.KeySequence).HasColumnName("key_sequence");
        engine.Exact(entity.Property(m => m.Type).HasColumnName("type").HasMaxLength(MessageTypeRegistry.MaxNameLength));
        entity.Property(m => m.Headers).HasColumnName("headers");
        entity.Property(m => m.ContentType).HasColumnName("content_type").HasMaxLength(100).HasDefaultValue("application/json").ValueGeneratedNever();
        entity.Property(m => m.Body).HasColumnName("body");
        entity.Property(m => m.CreatedAt).HasColumnName("created_at").HasDefaultValueSql(engine.Now);
        entity.Property(m => m.NotBefore).HasColumnName("not_before");
        entity.Property(m => m.ExpiresAt).HasColumnName("expires_at");
    }

    private static void MapArchive(EntityTypeBuilder<ArchivedMessage> entity, Engine engine)
    {
        entity.ToTable("outbox_archive").HasKey(m => new { m.Sequence, m.MessageId }).HasName("pk_outbox_archive");
        entity.HasIndex(m => m.PublishedAt).HasDatabaseName("ix_outbox_archive_published_at");
        entity.HasIndex(m => m.MessageId).HasDatabaseName("ix_outbox_archive_message_id");
        entity.Property(m => m.Sequence).HasColumnName("sequence").ValueGeneratedNever();
        entity.Property(m => m.MessageId).HasColumnName("message_id").ValueGeneratedNever();
        entity.Property(m => m.Partition).HasColumnName("partition");
        engine.Exact(entity.Property(m => m.PartitionKey).HasColumnName("partition_key").HasMaxLength(PartitionKey.MaxLength));
        entity.Property(m => m.KeySequence).HasColumnName("key_sequence");
        engine.Exact(entity.Property(m => m.Type).HasColumnName("type").HasMaxLength(MessageTypeRegistry.MaxNameLength));
        entity.Property(m => m.Headers).HasColumnName("headers");
        entity.Property(m => m.ContentType).HasColumnName("content_type").HasMaxLength(100);
        entity.Property(m => m.Body).HasColumnName("body");
        entity.Property(m => m.CreatedAt).HasColumnName("created_at");
        entity.Property(m => m.NotBefore).HasColumnName("not_before");
        entity.Property(m => m.ExpiresAt).HasColumnName("expires_at");
        entity.Property(m => m.PublishedAt).HasColumnName("published_at").HasDefaultValueSql(engine.Now);
        entity.Property(m => m.Outcome).HasColumnName("outcome").HasMaxLength(20).HasDefaultValue("published");
    }

    private static void MapScheduled(EntityTypeBuilder<ScheduledMessage> entity, Engine engine)
    {
        entity.ToTable("outbox_scheduled").HasKey(m => m.Id).HasName("pk_outbox_scheduled");
        entity.HasIndex(m => new { m.Partition, m.NotBefore, m.Id }).HasDatabaseName("ix_outbox_scheduled_due");
        entity.Property(m => m.Id).HasColumnName("id");
        entity.Property(m => m.Partition).HasColumnName("partition");
        entity.Property(m => m.NotBefore).HasColumnName("not_before");
        entity.Property(m => m.Sequence).HasColumnName("sequence").ValueGeneratedNever();
        entity.Property(m => m.MessageId).HasColumnName("message_id").ValueGeneratedNever();
        engine.Exact(entity.Property(m => m.PartitionKey).HasColumnName("partition_key").HasMaxLength(PartitionKey.MaxLength));
        entity.Property(m => m.KeySequence).HasColumnName("key_sequence");
        engine.Exact(entity.Property(m => m.Type).HasColumnName("type").HasMaxLength(MessageTypeRegistry.MaxNameLength));
        entity.Property(m => m.Headers).HasColumnName("headers");
        entity.Property(m => m.ContentType).HasColumnName("content_type").HasMaxLength(100);
        entity.Property(m => m.Body).HasColumnName("body");
        entity.Property(m => m.CreatedAt).HasColumnName("created_at");
        entity.Property(m => m.ExpiresAt).HasColumnName("expires_at");
    }

    private static void MapDeferred(EntityTypeBuilder<DeferredMessage> entity, Engine engine)
    {
        entity.ToTable("deferred_messages").HasKey(m => m.Id).HasName("pk_deferred_messages");
        var byMessage = engine.GuessesIndexes ? entity.HasIndex(m => new { m.MessageId, m.Consumer }) : entity.HasIndex(m => new { m.Consumer, m.MessageId });
        byMessage.IsUnique().HasDatabaseName("ux_deferred_messages_message");
        entity.HasIndex(m => new { m.Consumer, m.PartitionKey, m.Id }).HasDatabaseName("ix_deferred_messages_key");
        entity.HasIndex(m => new { m.Consumer, m.NextAttemptAt, m.Id }).HasDatabaseName("ix_deferred_messages_due").HasFilter(engine.GuessesIndexes ? "next_attempt_at IS NOT NULL" : null);
        entity.Property(m => m.Id).HasColumnName("id");
        engine.Exact(entity.Property(m => m.Consumer).HasColumnName("consumer").HasMaxLength(100));
        entity.Property(m => m.MessageId).HasColumnName("message_id").ValueGeneratedNever();
        engine.Exact(entity.Property(m => m.PartitionKey).HasColumnName("partition_key").HasMaxLength(PartitionKey.MaxLength));
        entity.Property(m => m.KeySequence).HasColumnName("key_sequence");
        entity.Property(m => m.Source).HasColumnName("source");
        entity.Property(m => m.OriginalId).HasColumnName("original_id");
        entity.Property(m => m.Type).HasColumnName("type");
        entity.Property(m => m.Headers).HasColumnName("headers");
        entity.Property(m => m.ContentType).HasColumnName("content_type");
        entity.Property(m => m.Body).HasColumnName("body");
        entity.Property(m => m.State).HasColumnName("state").HasMaxLength(20);
        entity.Property(m => m.Attempts).HasColumnName("attempts");
        entity.Property(m => m.Reason).HasColumnName("reason");
        entity.Property(m => m.Error).HasColumnName("error");
        entity.Property(m => m.DeferredAt).HasColumnName("deferred_at").HasDefaultValueSql(engine.Now);
        entity.Property(m => m.LastFailedAt).HasColumnName("last_failed_at");
        entity.Property(m => m.NextAttemptAt).HasColumnName("next_attempt_at");
    }

    private static void MapDecision(EntityTypeBuilder<TransactionDecisionRow> entity, Engine engine)
    {
        entity.ToTable("transaction_decisions").HasKey(d => d.TransactionId).HasName("pk_transaction_decisions");
        entity.HasIndex(d => new { d.Outcome, d.DecidedAt }).HasDatabaseName("ix_transaction_decisions_outcome");
        entity.HasIndex(d => new { d.Coordinator, d.DecidedAt }).HasDatabaseName("ix_transaction_decisions_coordinator");
        engine.Exact(entity.Property(d => d.TransactionId).HasColumnName("transaction_id").HasMaxLength(64));
        engine.Exact(entity.Property(d => d.Coordinator).HasColumnName("coordinator").HasMaxLength(TransactionId.LongestCoordinator));
        entity.Property(d => d.Decision).HasColumnName("decision").HasMaxLength(20);
        entity.Property(d => d.Reason).HasColumnName("reason");
        entity.Property(d => d.DecidedBy).HasColumnName("decided_by").HasMaxLength(200);
        entity.Property(d => d.Branches).HasColumnName("branches");
        entity.Property(d => d.DecidedAt).HasColumnName("decided_at").HasDefaultValueSql(engine.Now);
        entity.Property(d => d.Outcome).HasColumnName("outcome").HasMaxLength(20);
        entity.Property(d => d.FinishedAt).HasColumnName("finished_at");
    }

    private static void MapDeadLetter(EntityTypeBuilder<DeadLetter> entity, Engine engine)
    {
        entity.ToTable("dead_letters").HasKey(d => d.Id).HasName("pk_dead_letters");
        entity.HasIndex(d => new { d.Side, d.Consumer, d.MessageId }).IsUnique().HasDatabaseName("ux_dead_letters_message");
        entity.HasIndex(d => new { d.Side, d.State, d.Partition }).HasDatabaseName("ix_dead_letters_state");
        entity.Property(d => d.Id).HasColumnName("id");
        engine.Exact(entity.Property(d => d.Side).HasColumnName("side").HasMaxLength(20));
        engine.Exact(entity.Property(d => d.Consumer).HasColumnName("consumer").HasMaxLength(100).HasDefaultValue(""));
        entity.Property(d => d.Source).HasColumnName("source").HasMaxLength(200);
        entity.Property(d => d.MessageId).HasColumnName("message_id");
        entity.Property(d => d.OriginalId).HasColumnName("original_id");
        entity.Property(d => d.Type).HasColumnName("type");
        entity.Property(d => d.PartitionKey).HasColumnName("partition_key");
        entity.Property(d => d.Headers).HasColumnName("headers");
        entity.Property(d => d.ContentType).HasColumnName("content_type");
        entity.Property(d => d.Body).HasColumnName("body");
        entity.Property(d => d.Reason).HasColumnName("reason");
        entity.Property(d => d.Error).HasColumnName("error");
        entity.Property(d => d.Attempts).HasColumnName("attempts");
        entity.Property(d => d.FirstFailedAt).HasColumnName("first_failed_at").HasDefaultValueSql(engine.Now);
        entity.Property(d => d.LastFailedAt).HasColumnName("last_failed_at").HasDefaultValueSql(engine.Now);
        entity.Property(d => d.State).HasColumnName("state").HasMaxLength(20).HasDefaultValue("dead");
        entity.Property(d => d.Partition).HasColumnName("partition");
        entity.Property(d => d.Sequence).HasColumnName("sequence");
        entity.Property(d => d.KeySequence).HasColumnName("key_sequence");
        entity.Property(d => d.CreatedAt).HasColumnName("created_at");
        entity.Property(d => d.ExpiresAt).HasColumnName("expires_at");
    }

    /// <summary>What differs between the engines that Entity Framework speaks to, told by the marks that their providers leave on every model.</summary>
    /// <param name="Now">The time, as a default.</param>
    /// <param name="NumbersSingleKeysOnly">Rows are numbered where the key is one column alone.</param>
    /// <param name="HasLeaseIndex">A lease's token is compared through an index.</param>
    /// <param name="GuessesIndexes">No statement can name the index that it needs, so it gets no other to choose from.</param>
    /// <param name="HasTypedDefaults">Columns with defaults need their types.</param>
    /// <param name="Collation">Tells texts apart by case.</param>
    /// <param name="ToastTarget">Rows up to this size stay whole.</param>
    private sealed record Engine(string Now, bool NumbersSingleKeysOnly = false, bool HasLeaseIndex = false, bool GuessesIndexes = false, bool HasTypedDefaults = false, string? Collation = null, int? ToastTarget = null)
    {
        public static Engine Of(ModelBuilder modelBuilder)
        {
            if (modelBuilder.Model.FindAnnotation("SqlServer:ValueGenerationStrategy") is not null)
                return new Engine("SYSUTCDATETIME()", HasTypedDefaults: true, Collation: "Latin1_General_100_BIN2");
            return modelBuilder.Model.FindAnnotation("Npgsql:ValueGenerationStrategy") is not null
                ? new Engine("clock_timestamp()", HasLeaseIndex: true, GuessesIndexes: true, ToastTarget: 8160)
                : new Engine("strftime('%Y-%m-%d %H:%M:%f', 'now')", NumbersSingleKeysOnly: true);
        }

        /// <summary>Names and keys are told apart by case, also where the database's own collation does not.</summary>
        public void Exact<T>(PropertyBuilder<T> property)
        {
            if (Collation is not null)
                property.UseCollation(Collation);
        }
    }
}
