def train(folder):
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertForSequenceClassification(BertConfig(vocab_size=16, max_position_embeddings=8, **sizes))
    rows = [{"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor(n % 2)} for n in range(8)]
    arguments = TrainingArguments(
        f"{folder}/out", report_to="wandb", max_steps=4, logging_steps=1, use_cpu=True, disable_tqdm=True
    )
    return Trainer(model=model, args=arguments, train_dataset=rows).train().global_step
